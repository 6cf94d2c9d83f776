"""A person who has everything that a shop can hold, and the texts that only this person has."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, inspect, select, table, text

from fluent_cart.models import Base

PERSON = {
    "email": "Zaphodqx@Beeblebrox.example",
    "first_name": "Zaphodqx",
    "last_name": "Beeblebroxw",
    "phone": "+49 777 8190346",
}
BEFORE = {"email": "oldqvist@beeblebrox.example", "first_name": "Oldqvist"}
ADDRESS = {
    "first_name": "Zaphodqx", "company_name": "Heartofgoldqx Ltd", "address_1": "42 Magratheaqx Rd",
    "city": "Betelgeuseqx", "postcode": "ZQX42", "country": "GB", "phone": "+49 777 7654321",
}  # fmt: skip
INFO = {"notes": "likesgargleblastersqx", "nested": {"vatqx": ["DE777123456"]}}
# Nothing else has one of these texts: not the shop, and not the catalogs of PostgreSQL.
MARKS = (
    "zaphodqx", "beeblebrox", "oldqvist", "heartofgoldqx", "magratheaqx", "betelgeuseqx", "zqx42",
    "8190346", "7654321", "gargleblasters", "vatqx", "777123456", "ticketqx",
)  # fmt: skip


async def add_person(manager: httpx.AsyncClient, record_order: Callable[[Any], Awaitable[object]]) -> None:
    """Store the person as customer 1 of an empty shop, by requests, among 300 others."""
    key = {"Idempotency-Key": "ticketqx-1"}
    assert (await manager.post("", json=BEFORE, headers=key)).status_code == 200
    for start in range(0, 300, 100):
        create = [{"email": f"{n}@shop.example", "first_name": f"Name{n}"} for n in range(start, start + 100)]
        assert (await manager.post("/batch", json={"create": create})).json()["data"]["failed"] == 0
    assert (await manager.put("/1", json=PERSON)).status_code == 200
    assert (await manager.put("/1/additional-info", json=INFO)).status_code == 200
    await manager.post("/1/address", json=ADDRESS, headers={"Idempotency-Key": "ticketqx-2"})
    await manager.post("/1/address", json=ADDRESS | {"type": "shipping"})
    # PostgreSQL keeps the statistics of a table that has become empty, so others have rows in each table.
    other = {"address_1": "2 Main St", "city": "Rome", "country": "IT", "postcode": "00100"}
    for number in (2, 3, 4):
        await manager.put(f"/{number}", json={"last_name": "Rossi"})
        await manager.post(f"/{number}/address", json=other)
    assert (await manager.post("/1/attachable-user", json={"user_id": 6})).status_code == 200
    for number in (1, 2):
        order = {
            "customer_id": 1, "status": "completed", "payment_status": "paid", "currency": "USD",
            "total_amount": 1000 * number, "total_paid": 1000 * number, "total_refund": 0,
            "created_at": f"2024-01-0{number}T10:00:00Z",
        }  # fmt: skip
        await record_order(order)


def found_in(content: str) -> set[str]:
    """Return the marks in a text, in any case."""
    lower = content.lower()
    return {mark for mark in MARKS if mark in lower}


def in_tables(connection: Connection) -> dict[str, set[str]]:
    """Return the marks in the rows of each table that the database has, SQLite's own tables too."""
    names = inspect(connection).get_table_names()
    assert set(Base.metadata.tables) <= set(names)
    marks = {
        name: found_in(
            repr([tuple(row) for row in connection.execute(select(text("*")).select_from(table(name)))])
        )
        for name in names
    }
    return {name: found for name, found in marks.items() if found}


def in_files(folder: Path) -> dict[str, set[str]]:
    """Return the marks in the bytes of each file, in upper and lower case and in UTF-16."""
    return {
        str(path.relative_to(folder)): found
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for data in [path.read_bytes()]
        if (found := found_in(data.decode("latin-1")) | found_in(data.replace(b"\0", b"").decode("latin-1")))
    }
