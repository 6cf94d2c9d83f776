"""Store the shop in an SQLite file.

Look-ups and writes run on the event loop: a look-up takes tens of microseconds, a hop to a thread several
times that. Scans, which may look at many rows, run in threads.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from fluent_cart.database.base import Database
from fluent_cart.database.file_lock import FileLock
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.database.scan_queue import ScanQueue
from fluent_cart.database.sqlite_remains import remove_remains
from fluent_cart.database.sqlite_writer import SQLiteWriter
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.observability import metrics

P = ParamSpec("P")
T = TypeVar("T")

# A write touches a dozen indexes at places of their own. SQLite's own 2 MiB and 1,000 pages make it read and
# move the same pages again and again. The log is 32 MiB at most unless a reader holds it open.
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
        self._readers = create_sqlite_engine(url, begin="BEGIN", connections=read_threads + 1, read_only=True)
        # A look-up is one statement, which sees one state of the database without BEGIN. Its connection
        # belongs to the event loop, and opens with the first look-up.
        self._lookups = create_sqlite_engine(url, begin=None, connections=1, read_only=True)
        self._lookup_connection: Connection | None = None
        self._writer = SQLiteWriter(
            create_sqlite_engine(url, begin="BEGIN IMMEDIATE", connections=1, wait_seconds=0),
            self._new_lock(),
            write_timeout,
        )
        self._scans = ScanQueue(read_threads, write_timeout)
        self._scanners: ThreadPoolExecutor | None = None

    def exists(self) -> bool:
        return self.path.exists()

    def start(self) -> None:
        self._scanners = ThreadPoolExecutor(self._scan_threads, thread_name_prefix="scan")
        self._writer.start()

    async def finish(self) -> None:
        await self._writer.finish()

    def stop(self) -> None:
        self._stop_streams()
        self._writer.stop()
        if self._scanners:
            self._scanners.shutdown()
        self._close_lookups()
        self._readers.dispose()

    def remove_remains(self) -> None:
        made = create_sqlite_engine(self._url, begin=None, connections=1)
        with made.connect() as connection:
            remove_remains(connection.connection.driver_connection, self._new_lock())
        made.dispose()

    def _new_lock(self) -> FileLock:
        """Return the lock that every writer of the file acquires. Each has a descriptor of its own."""
        return FileLock(self.path.with_name(self.path.name + ".lock"))

    def gauges(self) -> Mapping[str, float]:
        return {metrics.QUEUED_UNITS: self._writer.waiting}

    async def read(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        # On the event loop, because a thread would take several times as long as the look-up.
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
        return await self._writer.run(lambda connection: work(connection, *args, **kwargs))

    async def write_many(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._writer.run(lambda connection: work(connection, *args, **kwargs), is_long=True)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._readers.begin() as connection:
            yield connection

    def _stream_engine(self) -> Engine:
        return create_sqlite_engine(self._url, begin="BEGIN", connections=1, read_only=True)

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


def create_sqlite_engine(
    url: str,
    *,
    begin: str | None,
    connections: int,
    read_only: bool = False,
    create: bool = False,
    wait_seconds: float = 5,
) -> Engine:
    """Return an engine whose transactions begin with ``begin``. Without it, each statement is a transaction.

    A statement waits ``wait_seconds`` for a lock of SQLite before it fails.
    Only migrations ``create`` a missing file: an empty one in its place would look like a lost shop.
    """
    if create:
        # SQLite's own files next to it get the same mode. Only the owner reads personal data. If this fails,
        # SQLite reports the reason.
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
        # Personal data must not be in error texts, which are logged.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )

    @event.listens_for(made, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        (journal,) = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
        if journal != "wal":
            raise sqlite3.OperationalError("SQLite cannot use WAL here. Is the file on a network share?")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        else:
            # SQLite overwrites deleted data with zeros. Many builds of SQLite do this anyway.
            cursor.execute("PRAGMA secure_delete=ON")
            cursor.execute(f"PRAGMA cache_size=-{WRITE_CACHE_KIB}")
            cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        # Only now: the first statements may have to wait for another process that opens the file.
        cursor.execute(f"PRAGMA busy_timeout={wait_seconds * 1000:.0f}")
        cursor.close()

    if begin:

        @event.listens_for(made, "begin")
        def begin_transaction(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

    return made
