"""Check the addresses to which an application is sent back, and add the result to them.

See docs/decisions.md#154-addresses-of-applications.
"""

import re
from ipaddress import ip_address
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from fluent_cart.errors import ValidationFailed

# By default nginx accepts 4 KiB of headers from a server, and the address is in one of them.
MAX_LENGTH = 2048
# Schemes that browsers open themselves. Any other scheme is an application's own.
REFUSED_SCHEMES = frozenset({
    "about", "blob", "data", "file", "filesystem", "ftp",
    "javascript", "vbscript", "view-source", "ws", "wss",
})  # fmt: skip
# Nothing in front of the host: "https://shop.example@evil.example" leads to the second one.
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:[/?#].*)?",
    re.IGNORECASE,
)
# Allowed characters. All others, such as a line break or a backslash, are encoded before the check.
_KEPT = "!#$%&'()*+,/:;=?@[]~-._"


def checked(address: str, name: str) -> str:
    """Return an address of the parameter ``name``. Raise ``ValidationFailed`` if it is not allowed."""
    address = quote(address.strip(), safe=_KEPT)
    found = _ADDRESS.fullmatch(address)
    if not found or len(address) > MAX_LENGTH or not _has_right_host(address):
        raise ValidationFailed(
            f"The application's {name} is not an address such as https://app.example/signed-in"
        )
    scheme = found["scheme"].lower()
    if scheme in REFUSED_SCHEMES:
        raise ValidationFailed(f"The scheme of the application's {name} is not allowed. Use https")
    if scheme == "http" and not _is_this_machine(found["host"].strip("[]").lower()):
        raise ValidationFailed(
            f"The application's {name} is not encrypted. Use https, or this machine's address"
        )
    return address


def with_query(address: str, **values: str) -> str:
    """Return an address with values in its query, which replace other values with the same names."""
    parts = urlsplit(address)
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in values]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(values, quote_via=quote)])))


def form_action(*addresses: str) -> str:
    """Return the form-action policy for a form that redirects to one of ``addresses``.

    It has schemes and no hosts, because browsers apply the policy to each further redirect of the
    application, too, and would stop there after the password was sent.
    """
    schemes = {f"{urlsplit(address).scheme}:" for address in addresses if address}
    return " ".join(["'self'", *sorted(schemes and schemes | {"https:"})])


def _has_right_host(address: str) -> bool:
    try:
        return urlsplit(address).port is None or True
    except ValueError:  # a port above 65535, or brackets around a text that is not an IPv6 address
        return False


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
