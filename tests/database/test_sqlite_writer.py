"""Units of work of one process share a transaction: their threads, their order, and failures."""

import asyncio
import contextvars
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection

from fluent_cart.database import Database, create_database
from fluent_cart.database.daemon_thread import DaemonThread
from fluent_cart.database.file_lock import FileLock
from fluent_cart.errors import InvalidEmail, ServiceUnavailable
from fluent_cart.settings import Settings
from tests.database.test_sqlite import Held, emails, listening, queued, store


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings


@pytest.fixture
def path(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


def thread_name(_connection: Connection) -> str:
    return threading.current_thread().name


class TestThreads:
    async def test_short_unit_runs_on_the_event_loop(self, database: Database) -> None:
        assert await database.write(thread_name) == threading.current_thread().name

    async def test_unit_of_many_rows_runs_in_the_writer_thread(self, database: Database) -> None:
        assert await database.write_many(thread_name) == "writer"

    async def test_commit_runs_in_the_writer_thread(self, database: Database) -> None:
        names: list[str] = []
        with listening("commit", lambda _connection: names.append(threading.current_thread().name)):
            await database.write(store, "a@example.com")
        assert names == ["writer"]

    async def test_other_tasks_run_between_the_units_of_one_transaction(self, database: Database) -> None:
        units: list[None] = []
        seen: list[int] = []
        commits: list[int] = []

        def unit(_connection: Connection) -> None:
            units.append(None)
            time.sleep(0.001)

        async def count_units() -> None:
            while len(units) < 40:
                seen.append(len(units))
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_units())
        async with Held(database):
            writes = await queued(*(database.write(unit) for _ in range(40)))
        with listening("commit", lambda _connection: commits.append(len(units))):
            await asyncio.gather(counting, *writes)
        # A unit takes 1 ms, so no more than two run before the others have a turn, or three if one was quick.
        assert max(after - before for before, after in pairwise(seen)) <= 3
        assert commits[-1] == 40

    async def test_unit_does_not_see_the_context_variables_of_a_caller(self, database: Database) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
        variable.set("of one caller")
        assert await database.write(lambda _connection: variable.get()) == "none"


class TestFailedUnit:
    async def test_failure_before_a_change_runs_no_unit_again(self, database: Database, path: Path) -> None:
        runs: list[str] = []

        def unit(connection: Connection, email: str) -> None:
            runs.append(email)
            store(connection, email)

        def refuse(_connection: Connection) -> None:
            runs.append("refused")
            raise InvalidEmail

        async with Held(database):
            writes = await queued(
                database.write(unit, "a@example.com"),
                database.write(refuse),
                database.write(unit, "b@example.com"),
            )
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(answer) for answer in answers] == [type(None), InvalidEmail, type(None)]
        assert runs == ["a@example.com", "refused", "b@example.com"]
        assert emails(path) == ["a@example.com", "b@example.com"]

    async def test_failures_after_changes_run_each_other_unit_again_once(
        self, database: Database, path: Path
    ) -> None:
        runs: list[str] = []

        def unit(connection: Connection, email: str, *, fails: bool = False) -> None:
            runs.append(email[0])
            store(connection, email)
            if fails:
                raise InvalidEmail

        async with Held(database):
            writes = await queued(
                database.write(unit, "a@example.com"),
                database.write(unit, "b@example.com"),
                database.write(unit, "c@example.com", fails=True),
                database.write(unit, "d@example.com"),
                database.write(unit, "e@example.com", fails=True),
                database.write(unit, "f@example.com"),
            )
        answers = await asyncio.gather(*writes, return_exceptions=True)
        failed = [isinstance(answer, InvalidEmail) for answer in answers]
        assert failed == [False, False, True, False, True, False]
        assert "".join(runs) == "abc" + "ab" + "def"
        assert emails(path) == ["a@example.com", "b@example.com", "d@example.com", "f@example.com"]

    async def test_failure_of_a_unit_of_many_rows_undoes_all_its_changes(
        self, database: Database, path: Path
    ) -> None:
        def store_two_and_fail(connection: Connection) -> None:
            store(connection, "one@example.com")
            store(connection, "two@example.com")
            raise InvalidEmail

        with pytest.raises(InvalidEmail):
            await database.write_many(store_two_and_fail)
        await database.write(store, "next@example.com")
        assert emails(path) == ["next@example.com"]

    async def test_unit_of_many_rows_has_a_transaction_of_its_own(self, database: Database) -> None:
        happened: list[str] = []

        def unit(_connection: Connection, name: str) -> None:
            happened.append(name)

        with listening("commit", lambda _connection: happened.append("commit")):
            async with Held(database):
                writes = await queued(
                    database.write(unit, "short"),
                    database.write(unit, "short"),
                    database.write_many(unit, "long"),
                    database.write(unit, "short"),
                )
            await asyncio.gather(*writes)
        # The first commit is that of the unit that kept the writer busy.
        assert happened == ["commit", "short", "short", "commit", "long", "commit", "short", "commit"]


class TestStop:
    async def test_stop_answers_503_if_another_process_keeps_the_lock(
        self, settings: Settings, path: Path
    ) -> None:
        database = create_database(settings.model_copy(update={"write_timeout": 0.3}))
        database.start()
        lock = FileLock(path.with_name("shop.db.lock"))
        with lock:
            (write,) = await queued(database.write(store, "never@example.com"))
            started = time.monotonic()
            await database.finish()
            database.stop()
            assert time.monotonic() - started < 3
            with pytest.raises(ServiceUnavailable):
                await write
        lock.close()
        assert emails(path) == []

    async def test_stop_without_finish_answers_503_to_units_that_have_not_run(
        self, settings: Settings, path: Path
    ) -> None:
        database = create_database(settings)
        database.start()
        writes = await queued(*(database.write(store, f"{number}@example.com") for number in range(3)))
        database.stop()
        answers = await asyncio.gather(*writes, return_exceptions=True)
        stored = emails(path)
        assert [type(answer) for answer in answers] == [ServiceUnavailable] * 3
        assert stored == []


class TestDaemonThread:
    async def test_value_and_error_of_a_function_reach_the_caller(self) -> None:
        thread = DaemonThread("test")
        assert await thread.run(lambda: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 // 0)
        assert await thread.run(lambda: threading.current_thread().name) == "test"
        thread.stop(5)
        assert "test" not in [each.name for each in threading.enumerate()]

    async def test_function_of_a_cancelled_caller_runs_to_its_end(self) -> None:
        thread = DaemonThread("test")
        begun, release, done = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            assert release.wait(5)
            done.set()

        task = asyncio.create_task(thread.run(work))
        assert await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        assert await thread.run(done.is_set) is True
        thread.stop(5)

    async def test_stop_leaves_a_thread_that_does_not_end_in_time(self) -> None:
        thread = DaemonThread("test")
        release = threading.Event()
        (task,) = await queued(thread.run(release.wait))
        started = time.monotonic()
        thread.stop(0.05)
        assert time.monotonic() - started < 2
        release.set()
        assert await task is True

    def test_stop_of_a_thread_that_never_ran_does_nothing(self) -> None:
        DaemonThread("test").stop(5)
