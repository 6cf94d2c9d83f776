"""The common part of the two limits: raw ASGI, written by hand for these five requests only."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from benchmarks.arms import MANAGE, PREFIX, VIEW, credentials, may
from fluent_cart.services.customers import DERIVED

DETAIL_KEYS = (
    "id", "email", "first_name", "last_name", "phone", "status", "total_spent", "order_count", "created_at",
    "updated_at",
)  # fmt: skip
LIST_KEYS = [key for key in DETAIL_KEYS if key != "phone"]
ADDRESS_KEYS = (
    "id", "type", "first_name", "last_name", "address_1", "city", "state", "postcode", "country",
    "is_primary", "address_2", "company_name", "phone",
)  # fmt: skip
CREATED_KEYS = ("id", "email", "first_name", "last_name", "phone", "status", "created_at")
UPDATED_KEYS = ("id", "first_name", "last_name", "phone", "status", "updated_at")

DETAIL = (
    f"SELECT {', '.join('c.' + key for key in DETAIL_KEYS)}, c.user_id, c.additional_info,"
    f" {', '.join('a.' + key for key in ADDRESS_KEYS)}"
    " FROM customers c LEFT JOIN customer_addresses a ON a.customer_id = c.id WHERE c.id = {} ORDER BY a.id"
)
LIST = f"SELECT {', '.join(LIST_KEYS)} FROM customers ORDER BY id DESC LIMIT {{}} OFFSET {{}}"
TOTAL = "SELECT sum(count) FROM customer_counts"
ROLE = (
    "SELECT u.role FROM users u JOIN application_passwords p ON p.user_id = u.id"
    " WHERE p.password_hash = {} AND (u.login_key = {} OR u.email_key = {})"
)
CREATE = (
    "INSERT INTO customers (email, first_name, last_name, phone, status, additional_info, total_spent,"
    f" order_count, {', '.join(DERIVED)}, created_at, updated_at)"
    " VALUES ({}, {}, {}, {}, 'active', '{{}}', 0, 0, " + "{}, " * len(DERIVED) + "{}, {})"
    f" RETURNING {', '.join(CREATED_KEYS)}"
)
# The last line of the searched text is the phone's digits.
UPDATE = (
    "UPDATE customers SET phone = {}, search_text = rtrim(search_text, '0123456789') || {}, phone_key = {},"
    " updated_at = {}"
    f" WHERE id = {{}} RETURNING {', '.join(UPDATED_KEYS)}"
)

Answer = Callable[..., Awaitable[Any]]


async def read_body(receive: Any) -> Any:
    """Return the JSON that was sent."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return orjson.loads(body)


def detail(rows: Any) -> Any:
    """Return a customer with addresses from rows that have both side by side."""
    first = rows[0]
    customer = dict(zip(DETAIL_KEYS, first, strict=False))
    customer["addresses"] = [
        dict(zip(ADDRESS_KEYS, row[12:], strict=True)) for row in rows if row[12] is not None
    ]
    for address in customer["addresses"]:
        address["is_primary"] = bool(address["is_primary"])
    customer["user_id"] = first[10]
    customer["additional_info"] = orjson.Fragment(first[11])
    return {"customer": customer}


def page_of(rows: Any, total: int, page: int, per_page: int) -> Any:
    """Return one page of the list."""
    pages = -(-total // per_page)
    pagination = {"current_page": page, "per_page": per_page, "total": total, "total_pages": pages}
    return {"customers": [dict(zip(LIST_KEYS, row, strict=True)) for row in rows], "pagination": pagination}


async def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Limit:
    """An ASGI application over the few functions in which the limits differ."""

    role_of: Answer
    get: Answer
    page: Answer
    create: Answer
    update: Answer
    start: Answer = _nothing

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self.start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        status, data = await self._answer(scope, receive)
        body = orjson.dumps({"success": status == 200, "data": data}, option=orjson.OPT_UTC_Z)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, Any]:
        method, rest = scope["method"], scope["path"].removeprefix(PREFIX)
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        given = credentials(authorization.decode())
        role = await self.role_of(*given) if given else None
        if role is None:
            return 401, None
        if not may(role, VIEW if method == "GET" else MANAGE):
            return 403, None
        if method == "GET" and rest:
            return 200, await self.get(int(rest[1:]))
        if method == "GET":
            query = dict(parse_qsl(scope["query_string"].decode()))
            return 200, await self.page(int(query.get("page", 1)), int(query.get("per_page", 10)))
        sent = await read_body(receive)
        return 200, await (self.update(int(rest[1:]), sent) if rest else self.create(sent))
