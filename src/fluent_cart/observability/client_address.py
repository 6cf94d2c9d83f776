"""The address of the client that sent a request."""

from collections.abc import Mapping
from typing import Any

Scope = Mapping[str, Any]
MAPPED = "::ffff:"


def client_address(scope: Scope) -> str:
    """Return the client's address, as the server knows it: from the connection, or from a trusted proxy."""
    return plain_address(str(scope["client"][0])) if scope.get("client") else ""


def plain_address(address: str) -> str:
    """Return an IPv4 address that is written as IPv6 (``::ffff:127.0.0.1``) in its usual form."""
    mapped = address[len(MAPPED) :]
    return mapped if address[: len(MAPPED)].lower() == MAPPED and "." in mapped else address
