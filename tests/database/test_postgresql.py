"""Limits, retries and lost connections on PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import Connection, insert, text, update
from sqlalchemy.util import await_only

from fluent_cart.clock import now
from fluent_cart.database import connect, create_database
from fluent_cart.database.postgresql_engine import LIMITS
from fluent_cart.database.session import ATTEMPTS
from fluent_cart.errors import InvalidEmail, ServiceUnavailable
from fluent_cart.models import Customer
from fluent_cart.observability import metrics
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.support import postgres

pytestmark = pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")


def show(connection: Connection, setting: str) -> str:
    return str(connection.scalar(text(f"SHOW {setting}")))


def create(connection: Connection, email: str) -> int:
    customer_id: int = customers.create_customer(connection, CustomerCreate(email=email))["id"]
    return customer_id


def rename(connection: Connection, customer_id: int, name: str) -> None:
    connection.execute(update(Customer).where(Customer.id == customer_id).values(first_name=name))


async def test_sessions_obey_the_limits(postgres_settings: Settings) -> None:
    async with create_database(postgres_settings) as database:
        for name, milliseconds in LIMITS.items():
            assert await database.scan(show, name) in (f"{milliseconds // 1000}s", f"{milliseconds}ms")
        assert await database.scan(show, "TimeZone") == "UTC"
        assert await database.scan(show, "synchronous_commit") == "on"


async def test_scan_cannot_change_anything(postgres_settings: Settings) -> None:
    async with create_database(postgres_settings) as database:
        with pytest.raises(ServiceUnavailable):
            await database.scan(create, "a@example.com")
        assert (
            await database.scan(lambda connection: connection.scalar(text("SELECT count(*) FROM customers")))
            == 0
        )


async def test_loser_of_a_race_gets_the_documented_error(postgres_settings: Settings) -> None:
    """The row is inserted past the service's own check, as a faster request would have."""

    def insert_row(connection: Connection) -> None:
        values = {"email": "A@example.com", "email_key": "a@example.com", "additional_info": {}}
        timestamps = {"created_at": now(), "updated_at": now()}
        connection.execute(insert(Customer), values | {"search_text": "", **timestamps})

    async with create_database(postgres_settings) as database:
        await database.write(create, "a@example.com")
        with pytest.raises(InvalidEmail):
            await database.write(insert_row)


async def test_deadlock_runs_the_unit_again(postgres_settings: Settings) -> None:
    """Two units lock two rows in opposite order. Both succeed, one of them at its second attempt."""
    first_locks, attempts = asyncio.Barrier(2), []

    async with create_database(postgres_settings) as database:
        one, two = [await database.write(create, f"{n}@example.com") for n in (1, 2)]

        def cross(connection: Connection, mine: int, other: int) -> None:
            attempts.append(mine)
            rename(connection, mine, "crossed")
            if attempts.count(mine) == 1:
                await_only(first_locks.wait())
            rename(connection, other, "crossed")

        await asyncio.gather(database.write(cross, one, two), database.write(cross, two, one))
    assert len(attempts) == 3


async def test_attempts_are_limited(postgres_settings: Settings) -> None:
    attempts = []

    def always_deadlocked(connection: Connection) -> None:
        attempts.append(1)
        connection.execute(text("DO $$ BEGIN RAISE deadlock_detected; END $$"))

    async with create_database(postgres_settings) as database:
        with pytest.raises(ServiceUnavailable):
            await database.write(always_deadlocked)
    assert len(attempts) == ATTEMPTS


async def test_lost_connections_are_503_once_and_then_replaced(postgres_settings: Settings) -> None:
    def lose(connection: Connection) -> None:
        kill_others(postgres_settings.database_url)
        create(connection, "lost@example.com")

    async with create_database(postgres_settings) as database:
        with pytest.raises(ServiceUnavailable):
            await database.write(lose)
        assert await database.write(create, "kept@example.com")


def kill_others(url: str) -> None:
    with connect(url) as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        )


async def test_connections_lost_while_idle_are_replaced_unseen(postgres_settings: Settings) -> None:
    """As after a restart of the server: nothing of the unit has happened yet, so it runs again."""
    # One for look-ups and one for the rest: of more, another could serve that has not been used and lost.
    few = postgres_settings.model_copy(update={"pool_size": 3})
    async with create_database(few) as database:
        customer_id = await database.write(create, "before@example.com")
        for _ in range(postgres_settings.pool_size):
            await database.read(customers.get_customer, customer_id)
        for read in (database.read, database.scan):
            kill_others(postgres_settings.database_url)
            assert (await read(customers.get_customer, customer_id))["id"] == customer_id
        kill_others(postgres_settings.database_url)
        assert await database.write(create, "after@example.com") > customer_id


async def test_connection_lost_in_commit_is_503_and_never_run_again(postgres_settings: Settings) -> None:
    """The result of the commit is unknown. Here it did not happen, but the unit must not run twice."""
    ran: list[int] = []

    def lose_at_the_end(connection: Connection) -> None:
        ran.append(create(connection, f"{len(ran)}@example.com"))
        kill_others(postgres_settings.database_url)

    async with create_database(postgres_settings) as database:
        with pytest.raises(ServiceUnavailable):
            await database.write(lose_at_the_end)
        assert len(ran) == 1


async def test_missing_server_is_503(postgres_settings: Settings) -> None:
    nowhere = postgres_settings.model_copy(update={"database_url": "postgresql://127.0.0.1:1/shop"})
    async with create_database(nowhere) as database:
        with pytest.raises(ServiceUnavailable):
            await database.scan(show, "TimeZone")


async def test_full_pool_is_503_and_the_waiting_unit_never_runs(postgres_settings: Settings) -> None:
    release, ran = asyncio.Event(), []
    small = postgres_settings.model_copy(update={"pool_size": 3, "write_timeout": 0.2})
    async with create_database(small) as database:
        holder = asyncio.create_task(database.write(lambda _connection: await_only(release.wait())))
        await asyncio.sleep(0.05)
        with pytest.raises(ServiceUnavailable):
            await database.write(lambda _connection: ran.append(1))
        release.set()
        assert await holder
    assert ran == []


async def test_scans_that_wait_for_their_turn_are_counted(postgres_settings: Settings) -> None:
    def sleep(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(0.3)"))

    settings = postgres_settings.model_copy(update={"pool_size": 4})
    async with create_database(settings) as database:
        scans = [asyncio.create_task(database.scan(sleep)) for _ in range(3)]
        await asyncio.sleep(0.1)
        # One of the two units runs scans, because the last one is for writes.
        assert database.gauges()[metrics.QUEUED_UNITS] == 2
        await asyncio.gather(*scans)
        assert database.gauges()[metrics.QUEUED_UNITS] == 0
