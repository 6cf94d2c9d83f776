"""PostgreSQL as the shop's database, when one machine is not enough.

Look-ups are asked from the event loop; other units of work run in threads, each with a connection of its
own. What a lost connection, a lock or a full server does to a request is 503; a deadlock or a serialization
failure runs the whole unit again.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from fluent_cart.database import session_check
from fluent_cart.database.async_pool import AsyncConnectionPool
from fluent_cart.database.base import Database, SessionFault
from fluent_cart.database.constraints import to_api_error
from fluent_cart.database.postgresql_engine import STREAM_LIMITS, engine
from fluent_cart.database.prepared import LookupConnection, execute
from fluent_cart.database.scan_queue import ScanQueue
from fluent_cart.database.work_item import Work, WorkItem
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.observability import metrics

P = ParamSpec("P")
T = TypeVar("T")

# Some connections are kept for administrators; reserved_connections is there from PostgreSQL 16 on.
_CAPACITY = text(
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true), '0')::int"
)
# As the driver takes them: SQLAlchemy's own ways to begin and to end cost more than a short write.
_BEGIN_WRITE, _BEGIN_SCAN = "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"
ATTEMPTS = 4
# Every so-many-th connection is the event loop's: one answers thousands of look-ups a second.
LOOKUPS = 2


class PostgreSQLDatabase(Database):
    """Runs units of work on a PostgreSQL server."""

    def __init__(
        self, url: str, *, connections: int, write_timeout: float, stream_timeout: float = 900.0
    ) -> None:
        super().__init__(write_timeout=write_timeout, stream_timeout=stream_timeout)
        self._url = url
        self._connections = connections
        # A look-up is one statement: without BEGIN and COMMIT it costs one round trip in place of three.
        self._engine = engine(url, connections=connections, isolation_level="AUTOCOMMIT")
        of_the_loop = max(1, connections // LOOKUPS)
        self._lookups = AsyncConnectionPool(self._engine, of_the_loop, timeout=write_timeout)
        self._thread_count = connections - of_the_loop
        # The last thread is for writes, however many scans there are.
        self._scans = ScanQueue(max(self._thread_count - 1, 1), write_timeout)
        # For commands, which look at everything and take as long as they need.
        self._snapshots = engine(url, connections=1, isolation_level="REPEATABLE READ", limits={})
        self._queue: queue.SimpleQueue[tuple[WorkItem[Any], str] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def exists(self) -> bool:
        # The server tells, in its own words, when a connection is made.
        return True

    def start(self) -> None:
        for number in range(self._thread_count):
            thread = threading.Thread(target=self._serve, name=f"database-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop_streams()
        self._lookups.close()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._engine.dispose()
        self._snapshots.dispose()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._snapshots.connect() as connection:
            yield connection.execution_options(postgresql_readonly=True)

    def _stream_engine(self) -> Engine:
        return engine(self._url, connections=1, isolation_level="REPEATABLE READ", limits=STREAM_LIMITS)

    def max_connections(self) -> int | None:
        with self.snapshot() as connection:
            return int(connection.scalar(_CAPACITY))

    def session_fault(self) -> SessionFault | None:
        return session_check.find_fault(self._url)

    def gauges(self) -> Mapping[str, int]:
        return {
            metrics.QUEUED_UNITS: self._queue.qsize(),
            metrics.LOOKUPS_IN_USE: self._lookups.in_use,
            metrics.LOOKUPS_WAITING: self._lookups.waiting,
        }

    async def read(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._lookups.run(lambda connection: work(connection, *args, **kwargs))

    async def scan(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._scans.run(
            lambda: self._run(_BEGIN_SCAN, lambda connection: work(connection, *args, **kwargs))
        )

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._run(_BEGIN_WRITE, lambda connection: work(connection, *args, **kwargs))

    async def _run(self, begin: str, work: Work[T]) -> T:
        """Run a unit of work in a thread, in a transaction that starts with ``begin``."""
        unit = WorkItem(work)
        self._queue.put((unit, begin))
        return await unit.result(self._write_timeout)

    def _serve(self) -> None:
        """Run units in a thread with a connection of its own until the database stops."""
        session = _Session(self._engine)
        while queued := self._queue.get():
            unit, begin = queued
            if unit.claim():
                try:
                    result = session.attempt(unit.work, begin)
                except BaseException as error:  # it is the caller's: this thread serves all others
                    unit.fail(error)
                else:
                    unit.succeed(result)
        session.close()


class _Session:
    """A thread's connection, which is kept: taking one from a pool costs more than a look-up."""

    def __init__(self, source: Engine) -> None:
        self._source = source
        self._connection: Connection | None = None

    def attempt(self, work: Work[T], begin: str) -> T:
        """Run ``work`` in a transaction that starts with ``begin``, again if it was unlucky.

        What was committed, or may have been, is never run twice.
        """
        for attempt in range(1, ATTEMPTS + 1):
            committing = False
            try:
                connection = self._connected()
                execute(connection, begin)
                result = work(connection)
                committing = True
                execute(connection, "COMMIT")
                return result
            except BaseException as error:
                self._clean_up()
                if isinstance(error, (IntegrityError, DataError)):
                    raise to_api_error(error) from None
                if not isinstance(error, DBAPIError):
                    raise
                if attempt == ATTEMPTS or not _did_not_happen(error, committing):
                    raise ServiceUnavailable from error
                time.sleep(random.uniform(0.002, 0.02) * attempt)  # noqa: S311  # jitter, not a secret
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._source.connect()
        return self._connection

    def _clean_up(self) -> None:
        """Leave no transaction open, and keep no connection that is lost."""
        if self._connection and not self._connection.invalidated:
            # What fails here has lost its connection, too.
            with suppress(DBAPIError):
                execute(self._connection, "ROLLBACK")
        if self._connection and self._connection.invalidated:
            self.close()


def _did_not_happen(error: DBAPIError, committing: bool) -> bool:
    """Tell whether a failed transaction can be run again: it was rolled back, and another may succeed."""
    if getattr(error.orig, "sqlstate", None) in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED):
        return True
    # The connection was lost, perhaps with an old server; had it been lost in COMMIT, nobody could tell.
    return not committing and error.connection_invalidated
