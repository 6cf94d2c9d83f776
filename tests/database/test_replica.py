"""A streaming replica answers reads: none that is older than what was acknowledged, none that fails with it.

The primary and the replica are servers of the test's own.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import nullcontext

import pytest
from sqlalchemy import Connection, func, select, text

from fluent_cart.database import Database, UnsupportedDatabase, connect, create_database
from fluent_cart.database.log_position import (
    Position,
    PrimaryLog,
    ReplicaBehind,
    read_end,
    require_replayed,
)
from fluent_cart.database.postgresql_engine import ANSWER_SECONDS
from fluent_cart.database.prepared import LookupConnection, Prepared
from fluent_cart.database.replica import WATCH_SECONDS
from fluent_cart.database.replica_check import examine
from fluent_cart.errors import CustomerNotFound, ServiceUnavailable
from fluent_cart.models import Customer
from fluent_cart.observability import metrics
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.database.test_postgresql import create
from tests.support import pgbouncer, postgres
from tests.support.replicated import Pair, running_pair
from tests.support.server import until

pytestmark = pytest.mark.slow
needs_server = pytest.mark.skipif(
    not postgres.INSTALLED, reason="REPLICAS WERE NOT TESTED: no PostgreSQL of our own to copy"
)
OLD, NEW = Position("shop", 1, 1), Position("shop", 2, 2)

_newest = Prepared(select(func.max(Customer.id)))
_where = text("SELECT pg_is_in_recovery()")


def newest(connection: LookupConnection) -> int:
    ((customer_id,),) = _newest.rows(connection)
    return int(customer_id or 0)


def is_replica(connection: Connection) -> bool:
    return bool(connection.scalar(_where))


def urls_of(pair: Pair) -> tuple[str, str]:
    return pair.url, pair.read_url


def settings_of(pair: Pair, **changes: str) -> Settings:
    urls = {"database_url": pair.url, "database_read_url": pair.read_url}
    return Settings(**{**urls, **changes}, _env_file=None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
async def database(pair: Pair) -> AsyncIterator[Database]:
    """The shop, once its replica is in use."""
    async with create_database(settings_of(pair)) as database:
        await until_used(database)
        yield database


async def until_used(database: Database) -> None:
    async with asyncio.timeout(30):
        while not await database.scan_from_replica(is_replica):  # noqa: ASYNC110  # it is looked at each second
            await asyncio.sleep(0.02)


@needs_server
class TestReads:
    async def test_reads_are_never_older_than_the_write_before_them(self, database: Database) -> None:
        for number in range(100):
            created = await database.write(create, f"{number}@fresh.example")
            assert await database.read_from_replica(newest) == created
            assert await database.scan_from_replica(newest) == created
        assert await database.scan_from_replica(is_replica)

    async def test_export_waits_for_the_write_before_it(self, pair: Pair, database: Database) -> None:
        def piece(connection: Connection) -> Generator[bytes, None, None]:
            yield f"{newest(connection)} {is_replica(connection)}".encode()

        answers = []
        for number in range(3):
            await until_used(database)
            with pair.paused_replay():
                created = await database.write(create, f"{number}@export.example")
                starting = asyncio.create_task(database.stream(piece))
                await asyncio.sleep(0.3)
            stream = await starting
            [answer] = [part async for part in stream]
            stream.close()
            assert answer.startswith(f"{created} ".encode())
            answers.append(answer.endswith(b"True"))
        # In a pause of replay the replica may have been found behind, and the primary answers.
        assert any(answers)

    async def test_read_follows_the_write_of_another_machine(self, pair: Pair, database: Database) -> None:
        async with create_database(settings_of(pair)) as other:
            for number in range(20):
                created = await other.write(create, f"{number}@other.example")
                assert await database.scan_from_replica(newest) == created

    async def test_only_reads_that_may_be_answered_there_go_to_the_replica(self, database: Database) -> None:
        assert not await database.scan(is_replica)
        assert not await database.write(is_replica)
        assert not await database.write_many(is_replica)
        with database.snapshot() as connection:
            assert not is_replica(connection)

    async def test_error_of_a_service_comes_from_the_replica_as_it_is(self, database: Database) -> None:
        with pytest.raises(CustomerNotFound):
            await database.read_from_replica(customers.get_customer, 10**9)

    async def test_scan_sees_one_state_from_its_begin_on(self, database: Database) -> None:
        def twice(connection: Connection) -> tuple[int, int]:
            before = newest(connection)
            connection.execute(text("SELECT pg_sleep(0.3)"))
            return before, newest(connection)

        scan = asyncio.create_task(database.scan_from_replica(twice))
        await asyncio.sleep(0.15)
        await database.write(create, "meanwhile@example.com")
        before, after = await scan
        assert before == after
        assert await database.scan_from_replica(newest) > after

    async def test_slow_statement_is_503_and_is_not_run_again_on_the_primary(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ran: list[bool] = []

        def slow(connection: Connection) -> None:
            ran.append(is_replica(connection))
            connection.execute(text("SET LOCAL statement_timeout = 50"))
            connection.execute(text("SELECT pg_sleep(5)"))

        with pytest.raises(ServiceUnavailable):
            await database.scan_from_replica(slow)
        assert ran == [True]
        assert await database.scan_from_replica(is_replica)


@needs_server
@pytest.mark.parametrize(("later", "is_complete"), [(0, True), (1000, False)])
def test_log_that_ends_within_a_record_is_complete_if_all_transactions_are(
    pair: Pair, later: int, is_complete: bool
) -> None:
    """As after VACUUM: the end of the primary's log is a place that the replica does not reach."""
    with connect(pair.url) as primary:
        end = read_end(primary)
    unreached = end._replace(place=end.place + 10**9, next_xid=end.next_xid + later)
    with connect(pair.read_url) as replica, nullcontext() if is_complete else pytest.raises(ReplicaBehind):
        require_replayed(replica, unreached, time.sleep, timeout=1)


@needs_server
class TestFallback:
    async def test_primary_returns_while_replay_is_paused(
        self, pair: Pair, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "fluent_cart")
        with pair.paused_replay():
            created = await database.write(create, "paused@example.com")
            for _ in range(10):
                assert await database.read_from_replica(newest) == created
                assert not await database.scan_from_replica(is_replica)
            await asyncio.sleep(WATCH_SECONDS)
            gauges = database.gauges()
        assert gauges[metrics.REPLICA_UNUSED] == 1
        assert gauges[metrics.REPLICA_LAG] > WATCH_SECONDS
        await until_used(database)
        assert await database.read_from_replica(newest) == created
        gauges = database.gauges()
        assert gauges[metrics.REPLICA_UNUSED] == 0
        assert gauges[metrics.REPLICA_LAG] < WATCH_SECONDS
        assert [record.getMessage() for record in caplog.records if "eplica" in record.getMessage()] == [
            "The primary answers the reads of the replica: The replica is behind by more than 50 ms",
            "The replica answers reads",
        ]

    async def test_paused_replica_that_has_everything_still_returns(
        self, pair: Pair, database: Database
    ) -> None:
        with pair.paused_replay():
            for _ in range(5):
                assert await database.scan_from_replica(is_replica)

    async def test_primary_answers_reads_whose_replica_is_lost(self, pair: Pair, database: Database) -> None:
        def slow(connection: Connection) -> bool:
            connection.execute(text("SELECT pg_sleep(0.5)"))
            return is_replica(connection)

        running = [asyncio.create_task(database.scan_from_replica(slow)) for _ in range(8)]
        await asyncio.sleep(0.2)
        pair.replica.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")
        # Each of them is run again, at the replica or at the primary.
        assert len(await asyncio.gather(*running)) == 8

    async def test_frozen_replica_delays_reads_by_seconds_and_fails_none(
        self, pair: Pair, database: Database
    ) -> None:
        pair.replica.freeze()
        try:
            began = asyncio.get_running_loop().time()
            reads = [database.read_from_replica(newest) for _ in range(20)]
            scans = [database.scan_from_replica(is_replica) for _ in range(20)]
            answers = await asyncio.gather(*reads, *scans)
            assert not any(answers[20:])
            assert asyncio.get_running_loop().time() - began < ANSWER_SECONDS
            assert database.gauges()[metrics.REPLICA_UNUSED] == 1
        finally:
            pair.replica.thaw()
        await until_used(database)

    async def test_server_that_accepts_writes_is_not_used_as_a_replica(self, pair: Pair) -> None:
        """As one that was promoted: it has all that was written here, and may have more."""
        same = settings_of(pair, database_read_url=pair.primary.url("shop"))
        async with create_database(same) as database:
            await database.scan_from_replica(is_replica)
            await asyncio.sleep(0.5)
            assert database.gauges()[metrics.REPLICA_UNUSED] == 1

    async def test_replica_of_another_database_is_never_read(self, pair: Pair) -> None:
        other = settings_of(pair, database_read_url=pair.replica.url("postgres"))
        async with create_database(other) as database:
            for _ in range(10):
                assert await database.scan_from_replica(newest) >= 0
                await asyncio.sleep(0.05)
            assert database.gauges()[metrics.REPLICA_UNUSED] == 1

    async def test_replica_that_is_away_from_the_start_is_used_once_it_is_there(self, pair: Pair) -> None:
        nowhere = settings_of(pair, database_read_url="postgresql://shop@127.0.0.1:1/shop")
        async with create_database(nowhere) as database:
            for _ in range(10):
                assert not await database.scan_from_replica(is_replica)
            await asyncio.sleep(0.3)
            assert database.gauges()[metrics.REPLICA_UNUSED] == 1


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "read_url", "part"),
        [
            ("sqlite:///shop.db", "postgresql://shop@127.0.0.1/shop", "A shop on SQLite has no replica"),
            ("postgresql://shop@127.0.0.1/shop", "sqlite:///hunter2.db", "must be postgresql://"),
            ("postgresql://shop@127.0.0.1/shop", "hunter2", "must be postgresql://"),
            (
                "postgresql://shop@127.0.0.1/shop",
                "postgresql://shop:hunter2@127.0.0.1/shop?pooler=transaction",
                "without a pooler",
            ),
        ],
    )
    def test_address_that_cannot_be_that_of_a_replica_is_rejected(
        self, url: str, read_url: str, part: str
    ) -> None:
        with pytest.raises(UnsupportedDatabase, match=part) as refused:
            create_database(Settings(database_url=url, database_read_url=read_url, _env_file=None))
        assert "hunter2" not in str(refused.value)


class TestEndOfTheLog:
    async def test_later_caller_gets_a_later_position_of_the_log(self) -> None:
        """Its answer may be older than a write that was acknowledged before the second caller came."""
        asked: list[asyncio.Future[Position]] = []

        async def ask(_: object) -> Position:
            asked.append(asyncio.get_running_loop().create_future())
            return await asked[-1]

        log = PrimaryLog(ask)
        first = asyncio.create_task(log.end())
        await asyncio.sleep(0.01)
        later = [asyncio.create_task(log.end()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert len(asked) == 1
        asked[0].set_result(OLD)
        assert await first == OLD
        await asyncio.sleep(0.01)
        assert len(asked) == 2
        asked[1].set_result(NEW)
        assert await asyncio.gather(*later) == [NEW] * 3

    async def test_failed_query_fails_for_all_waiting_callers_and_not_for_the_next(self) -> None:
        outcomes = iter([ServiceUnavailable(), NEW])

        async def ask(_: object) -> Position:
            await asyncio.sleep(0.01)
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                raise outcome
            assert isinstance(outcome, Position)
            return outcome

        log = PrimaryLog(ask)
        failed = await asyncio.gather(log.end(), log.end(), return_exceptions=True)
        assert [type(each) for each in failed] == [ServiceUnavailable] * 2
        assert await log.end() == NEW

    async def test_cancelled_caller_does_not_cancel_the_query_of_others(self) -> None:
        async def ask(_: object) -> Position:
            await asyncio.sleep(0.05)
            return NEW

        log = PrimaryLog(ask)
        leaving, staying = asyncio.create_task(log.end()), asyncio.create_task(log.end())
        await asyncio.sleep(0.01)
        leaving.cancel()
        assert await staying == NEW


@needs_server
class TestState:
    """The findings of ``doctor``."""

    def test_doctor_has_no_advice_on_a_good_replica(self, pair: Pair) -> None:
        pair.replica.execute("ALTER SYSTEM SET hot_standby_feedback = on")
        pair.replica.execute("SELECT pg_reload_conf()")
        try:
            until(lambda: not examine(*urls_of(pair)).advice, "The setting is not read")
            assert re.fullmatch(r"The replica had everything after \d+ ms", examine(*urls_of(pair)).text)
        finally:
            pair.replica.execute("ALTER SYSTEM RESET hot_standby_feedback")
            pair.replica.execute("SELECT pg_reload_conf()")

    def test_doctor_names_the_setting_that_ends_long_exports(self, pair: Pair) -> None:
        assert examine(*urls_of(pair)).advice == "Set hot_standby_feedback=on at the replica."

    async def test_doctor_reports_a_paused_replica_after_the_next_write(
        self, pair: Pair, database: Database
    ) -> None:
        with pair.paused_replay():
            await database.write(create, "state@example.com")
            state = await asyncio.to_thread(examine, *urls_of(pair))
        assert state.text == "The replica is behind: its replay is paused"

    def test_doctor_reports_a_replica_that_accepts_writes(self, pair: Pair) -> None:
        state = examine(pair.url, pair.url)
        assert state.text.startswith("The server is not a replica")
        assert "FLUENT_CART_DATABASE_READ_URL" in state.advice

    def test_doctor_reports_a_replica_of_another_database(self, pair: Pair) -> None:
        state = examine(pair.url, pair.replica.url("postgres"))
        assert state.text == "The replica is not one of the shop's server and database"
        assert "FLUENT_CART_DATABASE_READ_URL" in state.advice

    def test_doctor_reports_an_unreachable_replica_without_its_password(self, pair: Pair) -> None:
        state = examine(pair.url, "postgresql://shop:hunter2@127.0.0.1:1/shop")
        assert state.text.startswith("The replica does not answer: ")
        assert "hunter2" not in f"{state}"

    @pytest.mark.skipif(
        not pgbouncer.INSTALLED, reason="CONNECTION POOLERS WERE NOT TESTED: no PgBouncer on this machine"
    )
    async def test_doctor_reports_a_pooler_that_shares_sessions_and_no_read_uses_it(self, pair: Pair) -> None:
        with pgbouncer.pooled(pair.read_url, "transaction") as url:
            state = await asyncio.to_thread(examine, pair.url, url)
            assert state.text.startswith("The replica is not used: A connection pooler")
            async with create_database(settings_of(pair, database_read_url=url)) as database:
                for _ in range(10):
                    assert not await database.scan_from_replica(is_replica)
                    await asyncio.sleep(0.05)
