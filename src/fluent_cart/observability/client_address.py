"""The address of the client that sent a request."""

from collections.abc import Mapping
from typing import Any

Scope = Mapping[str, Any]


def client_address(scope: Scope) -> str:
    """Return the client's address, as the server knows it: from the connection, or from a trusted proxy."""
    return str(scope["client"][0]) if scope.get("client") else ""
