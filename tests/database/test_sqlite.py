"""SQLite: one writer for all, group commit, a lock between processes, reads next to writes."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, bindparam, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from fluent_cart.clock import now
from fluent_cart.database import Database, connect, create_database
from fluent_cart.database.file_lock import FileLock
from fluent_cart.database.prepared import LookupConnection, Prepared, execute
from fluent_cart.database.sqlite_writer import BATCH
from fluent_cart.errors import InvalidEmail, ServiceUnavailable
from fluent_cart.models import Customer
from fluent_cart.settings import Settings

Store = Callable[[Connection, str], str]


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings


@pytest.fixture
def path(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


def store(connection: Connection, email: str) -> str:
    values = {"email": email, "email_key": email.lower(), "additional_info": {}, "search_text": ""}
    connection.execute(insert(Customer), values | {"created_at": now(), "updated_at": now()})
    return email


_count = Prepared(select(func.count()).select_from(Customer))


def count(connection: LookupConnection) -> int:
    ((number,),) = _count.rows(connection)
    return int(number)


def pragma(connection: LookupConnection, name: str) -> Any:
    ((value,),) = execute(connection, f"PRAGMA {name}")
    return value


def emails(path: Path) -> list[str]:
    """Return the rows that another program reads from the file, oldest first."""
    other = sqlite3.connect(path)
    try:
        return [email for (email,) in other.execute("SELECT email FROM customers ORDER BY id")]
    finally:
        other.close()


def opened_files(path: Path) -> list[str]:
    """Return the files of the shop that this process has open, if the system can list them."""
    links = list(Path("/proc/self/fd").glob("*"))
    return [name for link in links if (name := os.path.realpath(link)).startswith(str(path))]


async def queued(*writes: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Start writes and return when all of them are in the writer's queue."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.sleep(0)
    return tasks


class Held:
    """Keeps the writer busy with a unit, so that units which arrive meanwhile wait in the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun, self._release = threading.Event(), threading.Event()

    async def __aenter__(self) -> None:
        def hold(_connection: Connection) -> None:
            self._begun.set()
            assert self._release.wait(5)

        self._task = asyncio.create_task(self._database.write_many(hold))
        assert await asyncio.to_thread(self._begun.wait, 5)

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._task


@contextmanager
def listening(name: str, listener: Callable[[Connection], None]) -> Iterator[None]:
    """Call ``listener`` when a transaction of any engine is about to begin, commit or roll back."""
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)


class TestConnections:
    """Read from open connections, because SQLite forgets these settings when a connection closes."""

    @pytest.mark.parametrize(
        ("setting", "read", "scan", "write"),
        [
            ("journal_mode", "wal", "wal", "wal"),
            ("synchronous", 2, 2, 2),  # FULL: a commit is on disk before it is acknowledged
            ("foreign_keys", 1, 1, 1),
            ("query_only", 1, 1, 0),
            ("busy_timeout", 5000, 5000, 0),
            ("wal_autocheckpoint", 1000, 1000, 8000),
            ("cache_size", -2000, -2000, -16384),
        ],
    )
    async def test_sqlite_connections_have_these_settings(
        self, database: Database, setting: str, read: Any, scan: Any, write: Any
    ) -> None:
        assert await database.read(pragma, setting) == read
        assert await database.scan(pragma, setting) == scan
        assert await database.write(pragma, setting) == write

    async def test_scan_connections_have_these_settings(self, settings: Settings) -> None:
        """Each scan waits until the other runs, too, on a connection of its own."""
        both = threading.Barrier(2)

        def look(connection: Connection) -> list[Any]:
            both.wait(5)
            return [pragma(connection, name) for name in ("journal_mode", "synchronous", "query_only")]

        async with create_database(settings) as database:
            found = [await scan for scan in await queued(database.scan(look), database.scan(look))]
        assert found == [["wal", 2, 1], ["wal", 2, 1]]

    async def test_migration_connections_have_these_settings(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            names = ("journal_mode", "synchronous", "foreign_keys", "query_only")
            assert [pragma(connection, name) for name in names] == ["wal", 2, 1, 0]

    async def test_connections_are_closed_and_leave_no_write_ahead_log(
        self, settings: Settings, path: Path
    ) -> None:
        async with create_database(settings) as database:
            await database.write(store, "a@example.com")
            assert await database.read(count) == await database.scan(count) == 1
            assert path.with_name("shop.db-wal").exists()
        assert sorted(file.name for file in path.parent.iterdir()) == ["shop.db", "shop.db.lock"]

    async def test_connection_without_a_write_ahead_log_is_rejected(
        self, settings: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """This way of opening files cannot share memory between processes, as network shares cannot."""
        plain, open_ = sqlite3.connect(path), sqlite3.connect
        assert plain.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
        plain.close()
        monkeypatch.setattr(
            sqlite3, "connect", lambda address, **options: open_(f"{address}&vfs=unix-none", **options)
        )
        with pytest.raises(DBAPIError, match="SQLite cannot use WAL here"), connect(settings.database_url):
            pass
        async with create_database(settings) as database:
            for run in (database.read, database.scan, database.write):
                with pytest.raises(ServiceUnavailable) as refused:
                    await run(count)
                assert "SQLite cannot use WAL here" in str(refused.value.__cause__)

    async def test_missing_database_file_is_not_created(self, settings: Settings, path: Path) -> None:
        """An empty file in its place would look like a lost shop."""
        nowhere = path.with_name("missing.db")
        missing = settings.model_copy(update={"database_url": f"sqlite:///{nowhere}"})
        async with create_database(missing) as database:
            for run in (database.read, database.scan, database.write):
                with pytest.raises(ServiceUnavailable):
                    await run(count)
            assert not database.exists()


class TestReads:
    async def test_reads_see_what_was_written_at_once(self, database: Database) -> None:
        prepared = Prepared(select(Customer.email).where(Customer.email == bindparam("email")))

        def find(connection: LookupConnection, email: str) -> Any:
            return prepared.rows(connection, email=email)

        for number in range(20):
            email = await database.write(store, f"{number}@example.com")
            assert await database.read(count) == await database.scan(count) == number + 1
            assert await database.read(find, email) == [(email,)]

    async def test_reads_see_what_another_program_wrote(self, database: Database, path: Path) -> None:
        assert await database.read(count) == 0
        with connect(f"sqlite:///{path}") as connection:
            store(connection, "a@example.com")
        assert await database.read(count) == await database.scan(count) == 1

    async def test_reads_see_nothing_of_a_write_before_its_commit(self, database: Database) -> None:
        stored, release = threading.Event(), threading.Event()

        def store_slowly(connection: Connection) -> None:
            store(connection, "a@example.com")
            stored.set()
            assert release.wait(5)

        (writing,) = await queued(database.write_many(store_slowly))
        assert await asyncio.to_thread(stored.wait, 5)
        assert await database.read(count) == await database.scan(count) == 0
        release.set()
        await writing
        assert await database.read(count) == await database.scan(count) == 1

    async def test_reads_of_one_scan_see_one_state(self, database: Database) -> None:
        begun, written = threading.Event(), threading.Event()

        def look_twice(connection: Connection) -> tuple[int, int]:
            first = count(connection)
            begun.set()
            assert written.wait(5)
            return first, count(connection)

        scan = asyncio.create_task(database.scan(look_twice))
        assert await asyncio.to_thread(begun.wait, 5)
        await database.write(store, "a@example.com")
        written.set()
        assert await scan == (0, 0)

    async def test_reads_cannot_write(self, database: Database) -> None:
        def delete_all(connection: LookupConnection) -> None:
            execute(connection, "DELETE FROM customers")

        for run in (database.read, database.scan):
            with pytest.raises(ServiceUnavailable) as refused:
                await run(delete_all)
            assert "readonly database" in str(refused.value.__cause__)
        with (
            pytest.raises(Exception, match="readonly database"),
            database.snapshot() as connection,
        ):
            store(connection, "a@example.com")
        assert await database.read(count) == await database.scan(count) == 0

    async def test_read_works_after_a_failed_read(self, database: Database) -> None:
        def divide(_connection: LookupConnection) -> int:
            return 1 // 0

        def fail(connection: LookupConnection) -> None:
            execute(connection, "SELECT * FROM nothing")

        for run in (database.read, database.scan):
            with pytest.raises(ServiceUnavailable):
                await run(fail)
            with pytest.raises(ZeroDivisionError):
                await run(divide)
            assert await run(count) == 0

    async def test_reads_succeed_while_another_process_holds_the_lock(
        self, database: Database, path: Path
    ) -> None:
        with connect(f"sqlite:///{path}") as connection:
            store(connection, "a@example.com")
            assert await database.read(count) == await database.scan(count) == 0


class TestGroupCommit:
    async def test_waiting_writes_share_few_commits(self, database: Database) -> None:
        happened: list[str] = []

        def unit(connection: Connection, number: int) -> None:
            store(connection, f"{number}@example.com")
            happened.append("unit")

        with listening("commit", lambda _connection: happened.append("commit")):
            async with Held(database):
                writes = await queued(*(database.write(unit, number) for number in range(200)))
            await asyncio.gather(*writes)
        assert BATCH == 64
        # The first commit is that of the unit that kept the writer busy.
        batches = ["commit", *["unit"] * 64, "commit", *["unit"] * 64, "commit", *["unit"] * 64, "commit"]
        assert happened == [*batches, *["unit"] * 8, "commit"]

    async def test_group_commit_keeps_the_order_of_the_queue(self, database: Database, path: Path) -> None:
        wanted = [f"{number}@example.com" for number in range(150)]
        async with Held(database):
            writes = await queued(*(database.write(store, email) for email in wanted))
        assert await asyncio.gather(*writes) == wanted
        assert emails(path) == wanted

    async def test_group_commit_returns_after_the_commit_only(self, database: Database, path: Path) -> None:
        """Looked at from outside when the commit is next, the event loop having had its chance to answer."""
        loop = asyncio.get_running_loop()
        seen: list[tuple[int, int]] = []
        writes: list[asyncio.Task[int]] = []

        def look(_connection: Connection) -> None:
            for _ in range(3):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)
            seen.append((sum(write.done() for write in writes), len(emails(path))))

        async def write_and_look(email: str) -> int:
            await database.write(store, email)
            return len(emails(path))

        async with Held(database):
            writes += await queued(*(write_and_look(f"{number}@example.com") for number in range(5)))
            event.listen(Engine, "commit", look)
        try:
            assert await asyncio.gather(*writes) == [5] * 5
        finally:
            event.remove(Engine, "commit", look)
        # The unit that kept the writer busy may commit before or after the listener came.
        assert seen in ([(0, 0)], [(0, 0), (0, 0)])

    async def test_group_commit_rolls_back_only_the_failed_unit(self, database: Database, path: Path) -> None:
        def store_and_fail(connection: Connection, email: str, error: Exception) -> None:
            store(connection, email)
            raise error

        refusals = [RuntimeError("a bug"), InvalidEmail(), ServiceUnavailable()]
        async with Held(database):
            writes = await queued(
                database.write(store, "first@example.com"),
                *(database.write(store_and_fail, f"{n}@example.com", e) for n, e in enumerate(refusals)),
                database.write(store, "FIRST@example.com"),
                database.write(store, "last@example.com"),
            )
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert answers[1:4] == refusals
        assert isinstance(answers.pop(4), InvalidEmail)
        assert (answers[0], answers[-1]) == ("first@example.com", "last@example.com")
        assert emails(path) == ["first@example.com", "last@example.com"]


class TestFailedCommit:
    """A foreign key that is checked at the commit makes the commit fail, as a full disk could."""

    @staticmethod
    def spoil(connection: Connection) -> None:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        store(connection, "spoilt@example.com")
        connection.execute(text("UPDATE customers SET user_id = 99 WHERE email = 'spoilt@example.com'"))

    async def test_failed_commit_returns_503_to_all_and_keeps_nothing(
        self, database: Database, path: Path
    ) -> None:
        async with Held(database):
            writes = await queued(
                database.write(store, "before@example.com"),
                database.write(self.spoil),
                database.write(store, "after@example.com"),
            )
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ServiceUnavailable] * 3
        assert emails(path) == []
        assert await database.read(count) == await database.scan(count) == 0

    async def test_failed_commit_is_forgotten_by_the_next_write(self, database: Database, path: Path) -> None:
        with pytest.raises(ServiceUnavailable) as failure:
            await database.write(self.spoil)
        assert "FOREIGN KEY constraint failed" in str(failure.value.__cause__)
        await database.write(store, "next@example.com")
        assert emails(path) == ["next@example.com"]

    async def test_failed_commit_of_a_full_disk_leaves_reads_working(
        self, database: Database, path: Path
    ) -> None:
        await database.write(store, "before@example.com")
        pages = await database.write(lambda connection: pragma(connection, "page_count"))
        await database.write(pragma, f"max_page_count = {pages}")

        def fill(connection: Connection) -> None:
            connection.execute(update(Customer).values(search_text="x" * 1_000_000))

        async with Held(database):
            writes = await queued(
                database.write(store, "small@example.com"),
                database.write(fill),
                database.write(store, "small-too@example.com"),
            )
        answers = await asyncio.gather(*writes, return_exceptions=True)
        # The limit ends with the connection, so the unit after the failed ones finds room.
        assert [type(answer) for answer in answers] == [ServiceUnavailable, ServiceUnavailable, str]
        assert await database.read(count) == await database.scan(count) == 2
        assert emails(path) == ["before@example.com", "small-too@example.com"]


class TestWaiting:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        return sqlite_settings.model_copy(update={"write_timeout": 0.2})

    async def test_write_that_waits_too_long_for_the_lock_is_503_and_never_runs(
        self, database: Database, path: Path
    ) -> None:
        lock = FileLock(path.with_name("shop.db.lock"))
        with lock:
            writes = await queued(*(database.write(store, f"{number}@example.com") for number in range(3)))
            answers = await asyncio.gather(*writes, return_exceptions=True)
        lock.close()
        assert [type(answer) for answer in answers] == [ServiceUnavailable] * 3
        assert await database.write(store, "later@example.com") == "later@example.com"
        assert emails(path) == ["later@example.com"]

    async def test_write_waits_for_a_program_without_the_lock_file(
        self, database: Database, path: Path
    ) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceUnavailable):
            await database.write(store, "never@example.com")
        other.execute("ROLLBACK")
        other.close()
        assert await database.write(store, "later@example.com") == "later@example.com"
        assert emails(path) == ["later@example.com"]

    async def test_write_without_a_turn_in_time_is_503(self, database: Database, path: Path) -> None:
        started, lock = asyncio.get_running_loop().time(), FileLock(path.with_name("shop.db.lock"))
        with lock, pytest.raises(ServiceUnavailable):
            await database.write(store, "never@example.com")
        lock.close()
        assert 0.2 <= asyncio.get_running_loop().time() - started < 2

    async def test_running_write_has_no_timeout(self, database: Database) -> None:
        """A running transaction is never given up, because its result would be unknown."""

        def store_slowly(connection: Connection) -> str:
            threading.Event().wait(0.4)
            return store(connection, "slow@example.com")

        assert await database.write(store_slowly) == "slow@example.com"

    async def test_write_runs_if_the_lock_is_free_in_time(self, database: Database, path: Path) -> None:
        lock = FileLock(path.with_name("shop.db.lock"))
        with lock:
            (write,) = await queued(database.write(store, "a@example.com"))
            await asyncio.sleep(0.05)
            assert not write.done()
        lock.close()
        assert await write == "a@example.com"

    async def test_write_without_a_lock_file_is_503(self, database: Database, path: Path) -> None:
        path.with_name("shop.db.lock").mkdir()
        with pytest.raises(ServiceUnavailable) as failure:
            await database.write(store, "never@example.com")
        assert isinstance(failure.value.__cause__, IsADirectoryError)
        path.with_name("shop.db.lock").rmdir()
        await database.write(store, "later@example.com")
        assert emails(path) == ["later@example.com"]


class TestCancelledCallers:
    async def test_cancelled_callers_do_not_disturb_others(self, database: Database, path: Path) -> None:
        """The work of a cancelled caller happened as a whole or not at all."""
        wanted = [f"{number}@example.com" for number in range(10)]
        async with Held(database):
            writes = await queued(*(database.write(store, email) for email in wanted))
            for cancelled in writes[::2]:
                cancelled.cancel()
        answers = await asyncio.gather(*writes, return_exceptions=True)
        assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, False] * 5
        assert answers[1::2] == wanted[1::2]
        assert await database.write(store, "last@example.com") == "last@example.com"
        kept = emails(path)
        assert kept == [email for email in [*wanted, "last@example.com"] if email in kept]
        assert set(kept) >= {*wanted[1::2], "last@example.com"}

    async def test_caller_may_be_cancelled_while_its_work_runs(self, database: Database, path: Path) -> None:
        begun, release = threading.Event(), threading.Event()

        def store_slowly(connection: Connection) -> None:
            begun.set()
            assert release.wait(5)
            store(connection, "slow@example.com")

        (writing,) = await queued(database.write_many(store_slowly))
        assert await asyncio.to_thread(begun.wait, 5)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        release.set()
        await database.write(store, "next@example.com")
        assert emails(path) == ["slow@example.com", "next@example.com"]


class TestStop:
    async def test_finish_runs_all_queued_writes(self, settings: Settings, path: Path) -> None:
        wanted = [f"{number}@example.com" for number in range(150)]
        database = create_database(settings)
        database.start()
        async with Held(database):
            writes = await queued(*(database.write(store, email) for email in wanted))
        await database.finish()
        database.stop()
        assert emails(path) == wanted
        assert await asyncio.gather(*writes) == wanted

    async def test_stop_leaves_no_thread_and_no_open_file(self, settings: Settings, path: Path) -> None:
        before = set(threading.enumerate())
        async with create_database(settings) as database:
            await database.write(store, "a@example.com")
            await database.scan(count)
            await database.read(count)
            assert len(set(threading.enumerate()) - before) == 2
        assert set(threading.enumerate()) - before == set()
        assert opened_files(path) == []

    async def test_stop_rejects_later_work(self, settings: Settings, path: Path) -> None:
        database = create_database(settings.model_copy(update={"write_timeout": 0.05}))
        database.start()
        database.stop()
        with pytest.raises(ServiceUnavailable):
            await database.write(store, "late@example.com")
        assert emails(path) == []

    def test_stop_works_without_a_start_and_twice(self, settings: Settings) -> None:
        database = create_database(settings)
        database.stop()
        database.start()
        database.stop()
        database.stop()


def increment(connection: Connection) -> None:
    """Read, then write: a lost update where two do so at once."""
    row = connection.execute(select(Customer.additional_info)).scalar_one()
    connection.execute(update(Customer).values(additional_info={"count": row.get("count", 0) + 1}))


# Another process prints when it is ready, so that both write at the same time.
WRITER = """
import asyncio, sys
from fluent_cart.database import create_database
from fluent_cart.settings import Settings
from tests.database.test_sqlite import increment

async def main():
    async with create_database(Settings(database_url=sys.argv[1], _env_file=None)) as database:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(100):
            await database.write(increment)

asyncio.run(main())
"""


class TestManyWriters:
    async def increment_often(
        self, database: Database, times: int, finished: list[int] | None = None
    ) -> None:
        for _ in range(times):
            await database.write(increment)
            if finished is not None:
                finished.append(id(database))

    @staticmethod
    def total(path: Path) -> int:
        with connect(f"sqlite:///{path}") as connection:
            info: dict[str, int] = connection.execute(select(Customer.additional_info)).scalar_one()
        return info["count"]

    async def test_many_writers_of_one_process_take_turns_and_lose_nothing(
        self, settings: Settings, path: Path
    ) -> None:
        finished: list[int] = []
        async with create_database(settings) as one, create_database(settings) as other:
            await one.write(store, "counter@example.com")
            await asyncio.gather(*(self.increment_often(each, 50, finished) for each in (one, other) * 2))
            first = {database: finished.index(id(database)) for database in (one, other)}
            last = {database: len(finished) - finished[::-1].index(id(database)) for database in (one, other)}
        assert self.total(path) == 200
        # Neither waited until the other was through with its hundred.
        assert max(first.values()) < 100 < min(last.values())

    async def test_many_writers_keep_other_programs_out_between_reading_and_writing(
        self, database: Database, path: Path
    ) -> None:
        refusals: list[str] = []

        def read_then_write(connection: Connection) -> None:
            count(connection)
            other = sqlite3.connect(path, timeout=0)
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as refusal:
                refusals.append(str(refusal))
            other.close()
            store(connection, "a@example.com")

        await database.write(read_then_write)
        assert refusals == ["database is locked"]
        assert emails(path) == ["a@example.com"]

    async def test_many_writers_of_two_processes_lose_nothing(self, settings: Settings, path: Path) -> None:
        command = [sys.executable, "-c", WRITER, settings.database_url]
        root = Path(__file__).parents[2]
        pipe = subprocess.PIPE
        async with create_database(settings) as database:
            await database.write(store, "counter@example.com")
            process = await asyncio.create_subprocess_exec(*command, cwd=root, stdin=pipe, stdout=pipe)
            assert process.stdin
            assert process.stdout
            assert await process.stdout.readline() == b"ready\n"
            process.stdin.write(b"go\n")
            await self.increment_often(database, 100)
            assert await asyncio.wait_for(process.wait(), 10) == 0
        assert self.total(path) == 200
