"""Recognize the host of a request: ``shop.example``, ``127.0.0.1:8000``, ``[::1]:8000``."""

import re
from functools import lru_cache
from ipaddress import IPv6Address

MAX_PORT = 65535
# The longest name with a port.
MAX_LENGTH = 260
# A name of DNS, or an address. URLs may have other names (RFC 3986, 3.2.2), but no site has one.
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")


def is_host(value: str) -> bool:
    """Return whether a text is a host, with or without a port."""
    return len(value) <= MAX_LENGTH and _is_host(value)


# Each request has one, and a site has few.
@lru_cache
def _is_host(value: str) -> bool:
    found = _HOST.fullmatch(value)
    if not found:
        return False
    ipv6, port = found.groups()
    return int(port or 0) <= MAX_PORT and (ipv6 is None or _is_ipv6(ipv6))


def _is_ipv6(value: str) -> bool:
    try:
        IPv6Address(value)
    except ValueError:
        return False
    return True
