"""The limit on PostgreSQL: raw ASGI, SQL by hand through asyncpg, orjson, and as many connections as ours."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg

from benchmarks.arms import DATABASE, limit
from fluent_cart.services.customers import DERIVED, derived_columns
from fluent_cart.services.search import digits, phone_key

CONNECTIONS = 8
DETAIL = limit.DETAIL.format("$1")
LIST = limit.LIST.format("$1", "$2")
ROLE = limit.ROLE.format("$1", "$2", "$2")
VALUES = [f"${number}" for number in range(1, 6 + len(DERIVED))]
# Both times are the last value.
CREATE = limit.CREATE.format(*VALUES, VALUES[-1])
UPDATE = limit.UPDATE.format("$1", "$2", "$3", "$4", "$5")

# Not asyncpg's own pool, which asks the server to reset each connection that comes back.
free: asyncio.LifoQueue[Any] = asyncio.LifoQueue()


async def start() -> None:
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncpg.connect(DATABASE, server_settings={"timezone": "UTC"}))


async def fetch(statement: str, *values: Any) -> Any:
    connection = await free.get()
    try:
        return await connection.fetch(statement, *values)
    finally:
        free.put_nowait(connection)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def role_of(name: str, digest: str) -> str | None:
    rows = await fetch(ROLE, digest, name)
    return rows[0][0] if rows else None


async def get(customer_id: int) -> Any:
    return limit.detail(await fetch(DETAIL, customer_id))


async def page(number: int, per_page: int) -> Any:
    # One after the other: with all connections busy, two at once are not faster.
    rows = await fetch(LIST, per_page, (number - 1) * per_page)
    ((total,),) = await fetch(limit.TOTAL)
    return limit.page_of(rows, int(total), number, per_page)


async def create(sent: Any) -> Any:
    email, first, last, phone = sent["email"], sent["first_name"], sent["last_name"], sent["phone"]
    (row,) = await fetch(CREATE, email, first, last, phone, *derived_columns(sent).values(), now())
    return {"customer": dict(zip(limit.CREATED_KEYS, row, strict=True))}


async def update(customer_id: int, sent: Any) -> Any:
    values = (sent["phone"], digits(sent["phone"]), phone_key(sent["phone"]), now(), customer_id)
    (row,) = await fetch(UPDATE, *values)
    return {"customer": dict(zip(limit.UPDATED_KEYS, row, strict=True))}


app = limit.Limit(role_of, get, page, create, update, start)
