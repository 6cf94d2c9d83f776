"""Constant bytes, which show the speed of server and client, and whether the machine was steady."""

from typing import Any

import orjson

_CUSTOMER = {
    "id": 1,
    "email": "customer@example.com",
    "first_name": "John",
    "last_name": "Doe",
    "status": "active",
    "total_spent": 5000,
    "order_count": 3,
    "created_at": "2024-01-01T10:00:00Z",
    "updated_at": "2024-01-15T14:30:00Z",
}


def _list_of(length: int) -> bytes:
    pagination = {"current_page": 1, "per_page": length, "total": 10_000, "total_pages": 10_000 // length}
    return orjson.dumps(
        {"success": True, "data": {"customers": [_CUSTOMER] * length, "pagination": pagination}}
    )


_ONE, _TEN, _HUNDRED = (_list_of(length) for length in (1, 10, 100))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Return a list of the length in the query."""
    if scope["type"] != "http":
        return
    query = scope["query_string"]
    body = _HUNDRED if query.endswith(b"=100") else _TEN if query else _ONE
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
