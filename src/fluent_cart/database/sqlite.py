"""An embedded SQLite file as the shop's database.

Reads run where they are asked for: a look-up takes tens of microseconds, a hop to a thread several times
that. Writes go to the process's one writer thread, which takes whatever is queued, runs each unit in a
savepoint, commits once, and only then answers each: one sync to disk serves them all. Between processes a
lock on a side file stands in front of BEGIN IMMEDIATE, because SQLite's own waiting is not fair.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from fluent_cart.database.base import Database
from fluent_cart.database.constraints import to_api_error
from fluent_cart.database.file_lock import FileLock
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.database.scan_queue import ScanQueue
from fluent_cart.database.work_item import WorkItem
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.observability import metrics

P = ParamSpec("P")
T = TypeVar("T")

# How many queued units share one commit: enough to amortise the sync, few enough to stay quick.
BATCH = 64
# A write touches a dozen indexes at places of their own. SQLite's own 2 MiB and 1,000 pages make it read and
# move the same pages again and again; the log is 32 MiB at most unless a reader holds it open.
WRITE_CACHE_KIB, CHECKPOINT_PAGES = 16 * 1024, 8000


class SQLiteDatabase(Database):
    """Runs units of work on one SQLite file."""

    def __init__(
        self,
        url: str,
        *,
        write_timeout: float = 4.0,
        stream_timeout: float = 900.0,
        read_threads: int = 2,
    ) -> None:
        super().__init__(write_timeout=write_timeout, stream_timeout=stream_timeout)
        self._url = url
        self.path = Path(make_url(url).database or "")
        self._scan_threads = read_threads
        self._readers = engine(url, begin="BEGIN", connections=read_threads + 1, read_only=True)
        # A look-up is one statement, which sees one state of the database without BEGIN; its connection
        # belongs to the event loop, and opens with the first look-up.
        self._lookups = engine(url, begin=None, connections=1, read_only=True)
        self._lookup_connection: Connection | None = None
        self._writers = engine(url, begin="BEGIN IMMEDIATE", connections=1)
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        self._scans = ScanQueue(read_threads, write_timeout)
        self._queue: queue.SimpleQueue[WorkItem[Any] | None] = queue.SimpleQueue()
        self._scanners: ThreadPoolExecutor | None = None
        self._writer: threading.Thread | None = None

    def exists(self) -> bool:
        return self.path.exists()

    def start(self) -> None:
        self._scanners = ThreadPoolExecutor(self._scan_threads, thread_name_prefix="scan")
        self._writer = threading.Thread(target=self._write_until_stopped, name="writer", daemon=True)
        self._writer.start()

    def stop(self) -> None:
        self._stop_streams()
        if self._writer and self._scanners:
            self._queue.put(None)
            # Not for ever: another process may hold the lock, and the callers here have had their 503.
            self._writer.join(self._write_timeout)
            self._scanners.shutdown()
        self._close_lookups()
        self._readers.dispose()
        self._writers.dispose()
        self._lock.close()

    def gauges(self) -> Mapping[str, int]:
        return {metrics.QUEUED_UNITS: self._queue.qsize()}

    async def read(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        # On the event loop: a thread would cost several times the look-up.
        try:
            if self._lookup_connection is None:
                self._lookup_connection = self._lookups.connect()
            return work(self._lookup_connection, *args, **kwargs)
        except DBAPIError as error:
            self._close_lookups()
            raise ServiceUnavailable from error

    async def scan(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        call = partial(self._read, lambda connection: work(connection, *args, **kwargs))
        run = asyncio.get_running_loop().run_in_executor
        return await self._scans.run(lambda: run(self._scanners, call))

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        unit = WorkItem(lambda connection: work(connection, *args, **kwargs))
        self._queue.put(unit)
        return await unit.result(self._write_timeout)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._readers.begin() as connection:
            yield connection

    def _stream_engine(self) -> Engine:
        return engine(self._url, begin="BEGIN", connections=1, read_only=True)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.snapshot() as connection:
                return work(connection)
        except DBAPIError as error:
            raise ServiceUnavailable from error

    def _close_lookups(self) -> None:
        if self._lookup_connection:
            self._lookup_connection.close()
            self._lookup_connection = None
        self._lookups.dispose()

    def _write_until_stopped(self) -> None:
        running = True
        while running:
            batch = [self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            running = None not in batch
            units = [unit for unit in batch if unit]
            if units:
                self._write_batch(units)

    def _write_batch(self, units: list[WorkItem[Any]]) -> None:
        taken: list[WorkItem[Any]] = []
        answers: list[Callable[[], None]] = []
        try:
            with self._lock, self._writers.begin() as connection:
                # Only now, because a unit whose caller has left while it waited must not run.
                for unit in units:
                    if unit.claim():
                        taken.append(unit)
                        answers.append(_run(unit, connection))
        except Exception as error:
            # The batch as a whole did not reach the disk, so nothing of it happened.
            failure = ServiceUnavailable()
            failure.__cause__ = error
            for unit in [*taken, *(unit for unit in units if unit.claim())]:
                unit.fail(failure)
            return
        metrics.UNITS_PER_COMMIT.observe(len(taken))
        for answer in answers:
            answer()


def _run(unit: WorkItem[Any], connection: Connection) -> Callable[[], None]:
    """Run a unit in a savepoint and return what will answer it once the batch is on disk."""
    # On the driver itself: SQLAlchemy's savepoints cost more than most units.
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT unit")
    try:
        result = unit.work(connection)
    except DBAPIError as error:
        if not isinstance(error, IntegrityError):
            # Disk full, or the like: SQLite may have rolled back the whole transaction.
            raise
        failure: BaseException = to_api_error(error)
    except BaseException as error:
        # Whatever it is, it is the caller's: this thread serves all others.
        failure = error
    else:
        driver.execute("RELEASE unit")
        return partial(unit.succeed, result)
    driver.execute("ROLLBACK TO unit")
    driver.execute("RELEASE unit")
    return partial(unit.fail, failure)


def engine(
    url: str, *, begin: str | None, connections: int, read_only: bool = False, create: bool = False
) -> Engine:
    """Return an engine whose transactions begin with ``begin``; without it, each statement is one.

    Only migrations ``create`` a missing file: an empty one in its place would look like a lost shop.
    """
    if create:
        # SQLite's own files next to it have the same mode. Only the owner reads personal data.
        # If this fails, SQLite reports the reason.
        with suppress(OSError):
            os.close(os.open(make_url(url).database or "", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    address = f"{Path(make_url(url).database or '').absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
    made = create_engine(
        url,
        creator=lambda: sqlite3.connect(
            address, uri=True, check_same_thread=False, timeout=5, isolation_level=None
        ),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        # Personal data stays out of error texts, and so out of logs.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )

    @event.listens_for(made, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        (journal,) = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
        if journal != "wal":
            raise sqlite3.OperationalError("SQLite cannot use WAL here: is the file on a network share?")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        else:
            cursor.execute(f"PRAGMA cache_size=-{WRITE_CACHE_KIB}")
            cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        cursor.close()

    if begin:

        @event.listens_for(made, "begin")
        def begin_transaction(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

    return made
