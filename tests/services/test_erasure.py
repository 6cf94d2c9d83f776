"""Erasure leaves nothing that names a person, in any table, index or file.

See docs/decisions.md#186-personal-data-and-erasure.
"""

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Connection, update

from fluent_cart.database import Database
from fluent_cart.database.postgresql import PERSONAL_TABLES
from fluent_cart.errors import CustomerNotFound
from fluent_cart.http.expired_rows import remove_remains
from fluent_cart.models import Customer, CustomerChange, IdempotencyKey, Order
from fluent_cart.services import erasure, orders
from fluent_cart.services.erasure import erase_customer, erased_ids, is_erased
from fluent_cart.settings import Settings
from tests.conftest import rows
from tests.support import postgres
from tests.support.person import ADDRESS, BEFORE, MARKS, add_person, found_in, in_files, in_tables


@pytest.fixture
async def shop(manager: httpx.AsyncClient, database: Database) -> dict[str, Any]:
    """Customer 1, who has everything that a customer can have, among 300 others."""
    await add_person(manager, lambda order: database.write(orders.record_order, order))
    return dict((await manager.get("/1")).json()["data"]["customer"])


async def test_search_finds_every_mark_before_the_erasure(shop: dict[str, Any], database: Database) -> None:
    """Without it, a search that finds nothing would prove nothing."""
    found = await database.scan(in_tables)
    assert set().union(*found.values()) == set(MARKS)
    # The search index of SQLite is stored in tables, too.
    personal = {name for name in found if not name.startswith("customers_search_")}
    assert personal <= set(PERSONAL_TABLES)


async def test_no_table_has_data_of_the_person_after_an_erasure(
    shop: dict[str, Any], manager: httpx.AsyncClient, database: Database
) -> None:
    answer = await manager.post("/1/erase")
    assert answer.status_code == 200
    assert await database.scan(in_tables) == {}
    for mark in MARKS:
        assert (await manager.get(f"?search={mark}")).json()["data"]["customers"] == []
    assert (await manager.get("/1/address")).json()["data"]["addresses"] == []


async def test_erasure_keeps_orders_and_totals(
    shop: dict[str, Any], manager: httpx.AsyncClient, database: Database
) -> None:
    books = await database.scan(rows, Order)
    listed = (await manager.get("/1/orders")).json()
    await manager.post("/1/erase")
    assert await database.scan(rows, Order) == books
    assert (await manager.get("/1/orders")).json() == listed
    after = (await manager.get("/1")).json()["data"]["customer"]
    assert {name: after[name] for name in ("id", "total_spent", "order_count", "created_at")} == {
        "id": 1, "total_spent": 3000, "order_count": 2, "created_at": shop["created_at"],
    }  # fmt: skip
    assert (after["first_name"], after["last_name"], after["phone"], after["status"]) == (
        "", "", None, "inactive",
    )  # fmt: skip
    assert (after["user_id"], after["additional_info"], after["addresses"]) == (None, {}, [])
    assert after["email"].startswith("erased-1-")


async def test_second_erasure_changes_nothing(
    shop: dict[str, Any], manager: httpx.AsyncClient, database: Database
) -> None:
    first = await manager.post("/1/erase")
    before = [await database.scan(rows, table) for table in (Customer, CustomerChange)]
    again = await manager.post("/1/erase")
    assert again.json() == first.json()
    assert [await database.scan(rows, table) for table in (Customer, CustomerChange)] == before


async def test_erased_data_that_came_back_is_erased_again(
    shop: dict[str, Any], manager: httpx.AsyncClient, database: Database
) -> None:
    await manager.post("/1/erase")
    await manager.put("/1", json={"first_name": "Zaphodqx"})
    await manager.post("/1/address", json=ADDRESS, headers={"Idempotency-Key": "ticketqx-3"})
    await manager.post("/1/erase")
    assert await database.scan(in_tables) == {}


async def test_erasure_is_recorded_as_a_change(shop: dict[str, Any], manager: httpx.AsyncClient) -> None:
    cursor = (await manager.get("/changes")).json()["data"]["cursor"]
    await manager.post("/1/erase")
    changes = (await manager.get(f"/changes?after={cursor}")).json()["data"]["changes"]
    assert [change["customer_id"] for change in changes] == [1] * len(changes)
    assert [change["kind"] for change in changes].count("erased") == 1
    assert changes[-1]["kind"] == "erased"
    assert found_in(repr(changes)) == set()


async def test_repeated_request_after_an_erasure_is_404_and_restores_nothing(
    shop: dict[str, Any], manager: httpx.AsyncClient, database: Database
) -> None:
    await manager.post("/1/erase", headers={"Idempotency-Key": "erasure"})
    key = {"Idempotency-Key": "ticketqx-1"}
    for body in (BEFORE, {"email": "another@shop.example"}):
        assert (await manager.post("", json=body, headers=key)).status_code == 404
    await manager.post("/1/erase")
    repeated = await manager.post("/1/erase", headers={"Idempotency-Key": "erasure"})
    assert (repeated.status_code, repeated.headers["idempotency-replayed"]) == (200, "true")
    assert await database.scan(in_tables) == {}


async def test_idempotency_key_that_was_erased_twice_is_still_known(
    shop: dict[str, Any], manager: httpx.AsyncClient, database: Database
) -> None:
    for _ in range(2):
        await manager.post("/1/erase")
    keys = {row["key"] for row in await database.scan(rows, IdempotencyKey)}
    assert len(keys) == 2
    answer = await manager.post("", json=BEFORE, headers={"Idempotency-Key": "ticketqx-1"})
    assert answer.status_code == 404


async def test_only_the_address_of_an_erasure_counts_as_erased(database: Database) -> None:
    token = "0123456789abcdef"
    assert is_erased({"id": 7, "email": f"erased-7-{token}@erased.invalid"})
    for email in (
        f"erased-8-{token}@erased.invalid",
        "erased-7@erased.invalid",
        f"erased-7-{token}@a.invalid",
    ):
        assert not is_erased({"id": 7, "email": email})


async def test_erased_customers_are_known_by_their_ids(shop: dict[str, Any], database: Database) -> None:
    for customer_id in (1, 5):
        await database.write(erase_customer, customer_id)
    assert await database.scan(erased_ids) == {1, 5}


async def test_erasure_of_a_missing_customer_is_404(database: Database) -> None:
    with pytest.raises(CustomerNotFound):
        await database.write(erase_customer, 999)


class TestSQLiteFile:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        return sqlite_settings

    @pytest.fixture
    def file(self, settings: Settings) -> Path:
        return Path(settings.database_url.removeprefix("sqlite:///"))

    async def test_sqlite_file_has_no_byte_of_the_person_after_the_removal_of_remains(
        self, shop: dict[str, Any], database: Database, file: Path
    ) -> None:
        assert set().union(*in_files(file.parent).values()) == set(MARKS)
        await database.write(erase_customer, 1)
        database.remove_remains()
        assert in_files(file.parent) == {}
        assert file.with_name(f"{file.name}-wal").stat().st_size == 0

    async def test_search_index_has_no_trigram_of_the_person_after_an_erasure(
        self, shop: dict[str, Any], database: Database, file: Path
    ) -> None:
        """The index has pieces of three letters, so that no byte search finds a name there."""

        def segments() -> Iterator[bytes]:
            with sqlite3.connect(file) as connection:
                yield from (row[0] for row in connection.execute("SELECT block FROM customers_search_data"))

        await database.write(erase_customer, 1)
        # "dqx" and "qxb" follow each other in the index of terms: a term is stored without its common prefix.
        assert any(b"qx" in block for block in segments())
        database.remove_remains()
        assert not any(b"qx" in block for block in segments())

    async def test_writes_succeed_during_the_removal_of_remains(
        self, shop: dict[str, Any], database: Database, manager: httpx.AsyncClient
    ) -> None:
        await database.write(erase_customer, 1)
        removal = asyncio.create_task(asyncio.to_thread(database.remove_remains))
        answers = [await manager.put("/2", json={"phone": str(number)}) for number in range(20)]
        await removal
        assert {answer.status_code for answer in answers} == {200}


@pytest.mark.skipif(
    not postgres.AVAILABLE or not shutil.which("pg_dump"), reason="no PostgreSQL, or no pg_dump"
)
class TestPostgreSQL:
    @pytest.fixture
    def settings(self, postgres_settings: Settings) -> Settings:
        return postgres_settings

    async def test_postgresql_has_nothing_of_the_person_in_a_dump_or_in_its_statistics(
        self, shop: dict[str, Any], database: Database, settings: Settings
    ) -> None:
        url = settings.database_url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
            statistics = "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats"
            await database.write(update_statistics)
            connection.execute("ANALYZE")
            await database.write(erase_customer, 1)
            database.remove_remains()
            assert found_in(repr(connection.execute(statistics).fetchall())) == set()
        dump = dump_of(url)
        assert "COPY public.customers " in dump
        assert found_in(dump) == set()


def dump_of(url: str) -> str:
    done = subprocess.run(["pg_dump", "--dbname", url], capture_output=True, text=True, check=True)
    return done.stdout


def update_statistics(connection: Connection) -> None:
    """Change a row so that a new version of it exists."""
    connection.execute(update(Customer).where(Customer.id == 2).values(phone="1"))


async def test_remains_are_removed_once_for_each_removal(
    shop: dict[str, Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(database, "remove_remains", lambda: calls.append(1))
    assert await remove_remains(database, 0) == 0
    await database.write(erase_customer, 1)
    last = await remove_remains(database, 0)
    assert last == await database.scan(erasure.last_removal) > 0
    assert await remove_remains(database, last) == last
    assert len(calls) == 1
