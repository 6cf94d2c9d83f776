"""The facts about a request that its layers share: its id, its user, its address, headers of its response."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

Scope = MutableMapping[str, Any]
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class RequestContext:
    """One object for each request. Outer layers read what inner layers set."""

    request_id: str | None = None
    # The name in the credentials, whether they were correct or not.
    account: str | None = None
    # Set after the credentials were checked.
    user_id: int | None = None
    # The methods of the path, for OPTIONS and for WordPress clients.
    allow: Headers = ()
    response_headers: Headers = ()
    # The client has closed the connection.
    is_abandoned: bool = False


def request_context(scope: Scope) -> RequestContext:
    """Return the context of a request. The first caller creates it."""
    state = scope.setdefault("state", {})
    context: RequestContext | None = state.get("context")
    if context is None:
        context = state["context"] = RequestContext()
    return context


def client_address(scope: Mapping[str, Any]) -> str:
    """Return the client's address, from the connection or from a trusted proxy."""
    return plain_address(str(scope["client"][0])) if scope.get("client") else ""


def plain_address(address: str) -> str:
    """Return an IPv4 address that is written as IPv6 (``::ffff:127.0.0.1``) in its usual form."""
    if ":" not in address:
        return address
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:  # a name that a proxy sends for its client
        return address
    return str(mapped) if mapped else address
