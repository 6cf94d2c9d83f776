"""Units of work on PostgreSQL share a few sessions of the event loop."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import psycopg
import pytest
from asyncpg import InternalClientError
from sqlalchemy import Connection, Engine, Integer, String, bindparam, cast, func, select
from sqlalchemy.util import await_only

from fluent_cart.database import Database, create_database, postgresql_engine
from fluent_cart.database.constraints import ConstraintViolation
from fluent_cart.database.postgresql import BEGIN_WRITE
from fluent_cart.database.postgresql_engine import serving_engine
from fluent_cart.database.prepared import LookupConnection, Prepared
from fluent_cart.database.session_pool import SessionPool
from fluent_cart.errors import CustomerNotFound, ServiceUnavailable
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.database.test_postgresql import create, kill_others
from tests.support import postgres

pytestmark = pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")

_pid = Prepared(select(func.pg_backend_pid()))
_slow = Prepared(select(func.pg_sleep(bindparam("seconds", type_=Integer))))
_echo = Prepared(select(func.concat(bindparam("text", type_=String), "")))
_broken = Prepared(select(cast(bindparam("text", type_=String), Integer)))
LOOKUP, WRITE = (), (BEGIN_WRITE,)


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
async def sessions(postgres_settings: Settings) -> AsyncIterator[SessionPool]:
    """Two sessions, for which no unit waits longer than a moment."""
    made = SessionPool(serving_engine(postgres_settings.database_url), 2, timeout=0.5)
    yield made
    await made.close()
    made.terminate()


@pytest.fixture
async def database(postgres_settings: Settings) -> AsyncIterator[Database]:
    async with create_database(postgres_settings) as database:
        yield database


async def test_lookup_returns_the_same_as_a_scan(database: Database) -> None:
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


async def test_answers_of_many_callers_are_never_mixed_up(sessions: SessionPool) -> None:
    async def ask(number: int) -> None:
        for turn in range(20):
            text = f"{number} asks {turn}" * (number % 7 * 500 + 1)
            assert await sessions.run(partial(echo, text=text), LOOKUP) == text

    await asyncio.gather(*map(ask, range(25)))


async def test_many_callers_share_as_many_connections_as_there_may_be(sessions: SessionPool) -> None:
    pids = await asyncio.gather(*(sessions.run(pid, LOOKUP) for _ in range(20)))
    assert 1 <= len(set(pids)) <= 2


async def test_unit_without_a_turn_in_time_is_503(sessions: SessionPool) -> None:
    busy = [asyncio.create_task(sessions.run(partial(sleep, seconds=1), LOOKUP)) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(ServiceUnavailable):
        await sessions.run(pid, LOOKUP)
    assert sessions.waiting == 0
    # The cancelled unit leaves nothing behind, so the sessions are free for the next.
    served = await asyncio.gather(*busy)
    assert await sessions.run(pid, LOOKUP) in served


@pytest.mark.parametrize("transaction", [LOOKUP, WRITE])
async def test_cancelled_unit_does_not_disturb_the_next(
    sessions: SessionPool, transaction: tuple[str, ...]
) -> None:
    before = await sessions.run(pid, transaction)
    alone = asyncio.create_task(sessions.run(partial(sleep, seconds=5), transaction))
    await asyncio.sleep(0.05)
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    # Its connection was in the middle of an answer, and is closed.
    assert await sessions.run(pid, transaction) != before
    for _ in range(3):
        asking = asyncio.create_task(sessions.run(partial(sleep, seconds=5), transaction))
        waiting = [asyncio.create_task(sessions.run(pid, transaction)) for _ in range(3)]
        await asyncio.sleep(0.05)
        asking.cancel()
        waiting[-1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.wait_for(waiting[0], 5)
        assert await sessions.run(partial(echo, text="mine"), transaction) == "mine"


async def test_turn_of_a_cancelled_caller_is_passed_on(sessions: SessionPool) -> None:
    held = [await sessions._acquire() for _ in range(2)]
    leaving = asyncio.create_task(sessions.run(pid, LOOKUP))
    await asyncio.sleep(0)
    sessions._release(held.pop())
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert sessions.in_use == 1
    sessions._release(held.pop())


@pytest.mark.parametrize("name", ["write", "write_many"])
async def test_cancelled_write_leaves_nothing_behind(database: Database, name: str) -> None:
    write = getattr(database, name)

    def create_and_wait(connection: Connection) -> None:
        create(connection, "never@example.com")
        await_only(asyncio.sleep(5))

    writing = asyncio.create_task(write(create_and_wait))
    await asyncio.sleep(0.2)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await write(create, "never@example.com")


async def test_lookups_never_wait_for_writes_or_scans(postgres_settings: Settings) -> None:
    async with create_database(postgres_settings) as database:
        hold = partial(sleep, seconds=4)
        busy = [asyncio.create_task(run(hold)) for run in (database.write, database.scan) * 20]
        await asyncio.sleep(0.1)
        for _ in range(10):
            assert await asyncio.wait_for(database.read(pid), 2)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def test_write_does_not_wait_for_scans(postgres_settings: Settings) -> None:
    async with create_database(postgres_settings) as database:
        busy = [asyncio.create_task(database.scan(sleep, 4)) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(database.write(create, "a@example.com"), 2)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def test_units_on_lost_connections_run_again(
    sessions: SessionPool, postgres_settings: Settings
) -> None:
    for transaction in (LOOKUP, WRITE) * 2:
        before = await asyncio.gather(sessions.run(pid, transaction), sessions.run(pid, transaction))
        kill_others(postgres_settings.database_url)
        after = await asyncio.gather(sessions.run(pid, transaction), sessions.run(pid, transaction))
        assert not set(before) & set(after)


async def test_unit_whose_connection_is_lost_in_a_query_runs_again(
    sessions: SessionPool, postgres_settings: Settings
) -> None:
    asking = asyncio.create_task(sessions.run(partial(sleep, seconds=1), LOOKUP))
    await asyncio.sleep(0.2)
    kill_others(postgres_settings.database_url)
    assert await asking


async def test_unit_whose_connection_breaks_silently_runs_again(sessions: SessionPool) -> None:
    before = await sessions.run(pid, LOOKUP)
    [session] = sessions._idle
    connection = session._connection
    assert connection
    driver = connection.connection.driver_connection
    assert driver
    driver._transport.abort()
    assert await sessions.run(pid, LOOKUP) != before


async def test_unit_that_is_never_answered_is_503_once(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_engine, "ANSWER_SECONDS", 0.2)
    ran = []

    def wait(connection: LookupConnection) -> None:
        ran.append(1)
        _slow.rows(connection, seconds=3)

    async with create_database(postgres_settings) as database:
        with pytest.raises(ServiceUnavailable):
            await database.read(wait)
        assert ran == [1]
        assert await database.read(pid)


async def test_rejected_value_is_not_repeated_in_the_error(sessions: SessionPool) -> None:
    with pytest.raises(ConstraintViolation) as refused:
        await sessions.run(lambda connection: _broken.rows(connection, text="770077 is no number"), LOOKUP)
    assert "770077" not in str(refused.value)
    assert refused.value.__suppress_context__
    assert await sessions.run(pid, LOOKUP)


async def test_text_with_a_null_byte_is_rejected(sessions: SessionPool) -> None:
    with pytest.raises(ConstraintViolation):
        await sessions.run(partial(echo, text="a\0b"), LOOKUP)
    assert await sessions.run(pid, LOOKUP)


async def test_statement_that_takes_too_long_is_503(sessions: SessionPool) -> None:
    limit = Prepared(select(func.set_config("statement_timeout", "100", False)))

    def wait(connection: LookupConnection) -> None:
        limit.rows(connection)
        _slow.rows(connection, seconds=5)

    with pytest.raises(ServiceUnavailable):
        await sessions.run(wait, LOOKUP)


async def test_statement_that_a_migration_made_stale_is_prepared_again(database: Database) -> None:
    def change(connection: Connection, type_: str) -> None:
        connection.exec_driver_sql(f"ALTER TABLE customer_addresses ALTER phone TYPE {type_}")

    created = await database.write(create, "a@example.com")
    before = await database.read(customers.get_customer, created)
    await database.write(change, "text")
    assert await database.read(customers.get_customer, created) == before
    await database.write(change, "varchar(50)")


async def test_lookup_without_a_server_is_503(postgres_settings: Settings) -> None:
    nowhere = postgres_settings.model_copy(update={"database_url": "postgresql://127.0.0.1:1/shop"})
    async with create_database(nowhere) as database:
        for _ in range(10):
            with pytest.raises(ServiceUnavailable):
                await database.read(pid)


async def test_transaction_of_many_rows_leaves_the_loop_to_others(database: Database) -> None:
    """Its own code runs in a thread with a session of its own."""
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(connection: Connection) -> int:
        loop.call_soon_threadsafe(started.set)
        return asyncio.run_coroutine_threadsafe(database.read(pid), loop).result(5)

    writing = asyncio.create_task(database.write_many(hold))
    await started.wait()
    assert await writing
    with pytest.raises(CustomerNotFound):
        await database.write_many(customers.get_customer, 1)


async def test_end_waits_for_queued_units_and_leaves_no_connection_open(
    postgres_settings: Settings,
) -> None:
    name = postgres_settings.database_url.rpartition("/")[2]
    with psycopg.connect(postgres_settings.database_url, autocommit=True) as observer:

        def others() -> int:
            row = observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [name]
            ).fetchone()
            return int(row[0]) if row else -1

        async with create_database(postgres_settings) as database:
            await asyncio.gather(*(database.read(pid) for _ in range(20)))
            await database.write_many(create, "many@example.com")
            queued = [asyncio.create_task(database.write(create, f"{n}@example.com")) for n in range(20)]
            await asyncio.sleep(0)
            assert others()
        assert all(task.done() for task in queued)
        assert len({task.result() for task in queued}) == 20
        async with asyncio.timeout(10):
            while others():  # noqa: ASYNC110  # the server takes a moment to see it
                await asyncio.sleep(0.01)


async def test_end_does_not_wait_for_a_unit_that_does_not_end(postgres_settings: Settings) -> None:
    hasty = postgres_settings.model_copy(update={"write_timeout": 0.2})
    async with create_database(hasty) as database:
        asking = asyncio.create_task(database.read(sleep, 4))
        await asyncio.sleep(0.1)
    with pytest.raises(ServiceUnavailable):
        await asking


async def test_error_of_the_driver_at_the_opening_of_a_session_is_503(
    sessions: SessionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a server that stops while the connection opens."""

    def fail(*_: object) -> None:
        raise InternalClientError("cannot switch to state 15; another operation (2) is in progress")

    with monkeypatch.context() as broken:
        broken.setattr(Engine, "connect", fail)
        with pytest.raises(ServiceUnavailable):
            await sessions.run(pid, LOOKUP)
    assert await sessions.run(pid, LOOKUP)


async def test_error_of_the_driver_in_a_transaction_runs_it_again_in_another_session(
    sessions: SessionPool,
) -> None:
    pids: list[int] = []

    def fail_once(connection: Connection) -> None:
        pids.append(pid(connection))
        if len(pids) == 1:
            raise InternalClientError("cannot switch to state 15; another operation (2) is in progress")

    await sessions.run(fail_once, WRITE)
    assert len(set(pids)) == 2
