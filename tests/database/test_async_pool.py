"""Look-ups on PostgreSQL: a few connections of the event loop, shared by all who ask."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import psycopg
import pytest
from sqlalchemy import Integer, String, bindparam, cast, func, select

from fluent_cart.database import Database, create_database
from fluent_cart.database.async_pool import AsyncConnectionPool
from fluent_cart.database.postgresql_engine import engine
from fluent_cart.database.prepared import LookupConnection, Prepared
from fluent_cart.errors import CustomerNotFound, ServiceUnavailable
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.database.test_postgresql import kill_others
from tests.support import postgres

pytestmark = pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")

_pid = Prepared(select(func.pg_backend_pid()))
_slow = Prepared(select(func.pg_sleep(bindparam("seconds", type_=Integer))))
_echo = Prepared(select(func.concat(bindparam("text", type_=String), "")))
_broken = Prepared(select(cast(bindparam("text", type_=String), Integer)))


def pid(connection: LookupConnection) -> int:
    ((number,),) = _pid.rows(connection)
    return int(number)


def sleep(connection: LookupConnection, seconds: int) -> int:
    _slow.rows(connection, seconds=seconds)
    return pid(connection)


def echo(connection: LookupConnection, text: str) -> str:
    ((answered,),) = _echo.rows(connection, text=text)
    return str(answered)


@pytest.fixture
async def lookups(postgres_settings: Settings) -> AsyncIterator[AsyncConnectionPool]:
    """Two connections, for which nobody waits longer than a moment."""
    made = AsyncConnectionPool(
        engine(postgres_settings.database_url, connections=2, isolation_level="AUTOCOMMIT"), 2, timeout=0.5
    )
    yield made
    made.close()


@pytest.fixture
async def database(postgres_settings: Settings) -> AsyncIterator[Database]:
    async with create_database(postgres_settings) as database:
        yield database


async def test_answer_what_a_scan_does(database: Database) -> None:
    odd = CustomerCreate(
        email="a@example.com", additional_info={"ключ": [1, None, {"a": 'x"\\'}]}, phone=None
    )
    created = (await database.write(customers.create_customer, odd))["id"]
    for _ in range(3):
        assert await database.read(customers.get_customer, created) == await database.scan(
            customers.get_customer, created
        )
    with pytest.raises(CustomerNotFound):
        await database.read(customers.get_customer, created + 1)


async def test_are_never_mixed_up(lookups: AsyncConnectionPool) -> None:
    async def ask(number: int) -> None:
        for turn in range(20):
            text = f"{number} asks {turn}" * (number % 7 * 500 + 1)
            assert await lookups.run(partial(echo, text=text)) == text

    await asyncio.gather(*map(ask, range(25)))


async def test_share_as_many_connections_as_there_may_be(lookups: AsyncConnectionPool) -> None:
    pids = await asyncio.gather(*(lookups.run(pid) for _ in range(20)))
    assert 1 <= len(set(pids)) <= 2


async def test_that_do_not_get_their_turn_are_503(lookups: AsyncConnectionPool) -> None:
    busy = [asyncio.create_task(lookups.run(lambda connection: sleep(connection, 1))) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(ServiceUnavailable):
        await lookups.run(pid)
    # Nothing is left of the one that gave up: the connections are there for the next.
    served = await asyncio.gather(*busy)
    assert await lookups.run(pid) in served


async def test_that_are_given_up_do_not_disturb_the_next(lookups: AsyncConnectionPool) -> None:
    before = await lookups.run(pid)
    for _ in range(3):
        asking = asyncio.create_task(lookups.run(lambda connection: sleep(connection, 5)))
        waiting = [asyncio.create_task(lookups.run(pid)) for _ in range(3)]
        await asyncio.sleep(0.05)
        asking.cancel()
        waiting[-1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert before != await asyncio.wait_for(waiting[0], 5)
        assert await lookups.run(partial(echo, text="mine")) == "mine"


async def test_on_lost_connections_run_again(
    lookups: AsyncConnectionPool, postgres_settings: Settings
) -> None:
    for _ in range(3):
        before = await asyncio.gather(lookups.run(pid), lookups.run(pid))
        kill_others(postgres_settings.database_url)
        after = await asyncio.gather(lookups.run(pid), lookups.run(pid))
        assert not set(before) & set(after)


async def test_on_connections_that_are_lost_once_they_are_taken_run_again(
    lookups: AsyncConnectionPool,
) -> None:
    """Between two turns of the loop; the driver does not know it yet."""
    before = await lookups.run(pid)
    [wire] = lookups._idle
    wire._lose(psycopg.OperationalError("lost"))
    async with asyncio.timeout(5):
        assert await lookups.run(pid) != before


async def test_that_are_never_answered_are_503(
    lookups: AsyncConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluent_cart.database.async_connection.ANSWER_SECONDS", 0.1)
    with pytest.raises(ServiceUnavailable):
        await lookups.run(lambda connection: sleep(connection, 3))


async def test_lost_while_they_are_asked_run_again(
    lookups: AsyncConnectionPool, postgres_settings: Settings
) -> None:
    asking = asyncio.create_task(lookups.run(lambda connection: sleep(connection, 1)))
    await asyncio.sleep(0.2)
    kill_others(postgres_settings.database_url)
    assert await asking


async def test_refused_by_the_server_tell_nothing_of_their_values(lookups: AsyncConnectionPool) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation) as refused:
        await lookups.run(lambda connection: _broken.rows(connection, text="770077 is no number"))
    assert "770077" not in str(refused.value)
    assert await lookups.run(pid)


async def test_with_a_null_byte_never_reach_the_server(lookups: AsyncConnectionPool) -> None:
    with pytest.raises(psycopg.DataError):
        await lookups.run(partial(echo, text="a\0b"))
    assert await lookups.run(pid)


async def test_that_take_too_long_are_503(lookups: AsyncConnectionPool) -> None:
    limit = Prepared(select(func.set_config("statement_timeout", "100", False)))

    def wait(connection: LookupConnection) -> None:
        limit.rows(connection)
        _slow.rows(connection, seconds=5)

    with pytest.raises(ServiceUnavailable):
        await lookups.run(wait)


async def test_without_a_server_are_503(postgres_settings: Settings) -> None:
    nowhere = postgres_settings.model_copy(update={"database_url": "postgresql://127.0.0.1:1/shop"})
    async with create_database(nowhere) as database:
        for _ in range(5):
            with pytest.raises(ServiceUnavailable):
                await database.read(pid)


async def test_leave_no_connection_open(postgres_settings: Settings) -> None:
    name = postgres_settings.database_url.rpartition("/")[2]
    with psycopg.connect(postgres_settings.database_url, autocommit=True) as observer:

        def others() -> int:
            row = observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [name]
            ).fetchone()
            return int(row[0]) if row else -1

        async with create_database(postgres_settings) as database:
            await asyncio.gather(*(database.read(pid) for _ in range(20)))
            assert others()
        async with asyncio.timeout(10):
            while others():  # noqa: ASYNC110  # the server takes a moment to see it
                await asyncio.sleep(0.01)
