"""The limit on SQLite: raw ASGI, SQL by hand through the driver on the event loop, orjson.

Each write is one statement and one commit. ``BENCHMARK_SYNCHRONOUS`` sets its durability.
"""

import os
import sqlite3
from typing import Any

from benchmarks.arms import DATABASE, limit, now
from fluent_cart.services.customers import DERIVED, derived_columns
from fluent_cart.services.search import digits, phone_key

database = sqlite3.connect(DATABASE.removeprefix("sqlite:///"), isolation_level=None, cached_statements=256)
database.execute(f"PRAGMA synchronous={os.environ.get('BENCHMARK_SYNCHRONOUS', 'NORMAL')}")
database.execute("PRAGMA foreign_keys=ON")
# As this server sets them.
database.execute("PRAGMA cache_size=-16384")
database.execute("PRAGMA wal_autocheckpoint=8000")

DETAIL = limit.DETAIL.format("?")
LIST = limit.LIST.format("?", "?")
ROLE = limit.ROLE.format("?1", "?2", "?2")
CREATE = limit.CREATE.format(*"?" * (6 + len(DERIVED)))
UPDATE = limit.UPDATE.format(*"?????")


async def role_of(name: str, digest: str) -> str | None:
    row = database.execute(ROLE, (digest, name)).fetchone()
    return row[0] if row else None


async def get(customer_id: int) -> Any:
    return limit.detail(database.execute(DETAIL, (customer_id,)).fetchall())


async def page(number: int, per_page: int) -> Any:
    rows = database.execute(LIST, (per_page, (number - 1) * per_page)).fetchall()
    (total,) = database.execute(limit.TOTAL).fetchone()
    return limit.page_of(rows, total, number, per_page)


async def create(sent: Any) -> Any:
    email, first, last, phone, moment = (
        sent["email"],
        sent["first_name"],
        sent["last_name"],
        sent["phone"],
        now(),
    )
    values = (email, first, last, phone, *derived_columns(sent).values(), moment, moment)
    row = database.execute(CREATE, values).fetchone()
    return {"customer": dict(zip(limit.CREATED_KEYS, row, strict=True))}


async def update(customer_id: int, sent: Any) -> Any:
    values = (sent["phone"], digits(sent["phone"]), phone_key(sent["phone"]), now(), customer_id)
    row = database.execute(UPDATE, values).fetchone()
    return {"customer": dict(zip(limit.UPDATED_KEYS, row, strict=True))}


app = limit.Limit(role_of, get, page, create, update)
