"""The writes of one process to a SQLite file.

Units of work run on the event loop, because a thread next to a busy loop pays for each statement with a
hand-over of the interpreter. All units that wait share one transaction, so one sync to disk serves them all,
and each is answered after it. A thread runs only the calls that block: the wait for the lock of another
process, COMMIT, and units of many rows.

Between processes a lock on a side file stands in front of BEGIN IMMEDIATE, because the wait of SQLite itself
is not fair.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from contextvars import Context
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import OperationalError

from fluent_cart.database.daemon_thread import DaemonThread
from fluent_cart.database.file_lock import FileLock
from fluent_cart.database.work_item import Work, WorkItem
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.observability import metrics

T = TypeVar("T")
Run = Callable[[WorkItem[Any], Connection], None]

# How many units share one commit: enough to amortise the sync, few enough to stay quick.
BATCH = 64
# Other tasks of the event loop run after this time, also within a transaction. A unit takes 0.1 to 0.2 ms.
SLICE_SECONDS = 0.002
# How often, and for how long, BEGIN is tried while a program that does not know the lock file is writing.
BUSY_PAUSE, BUSY_SECONDS = 0.01, 5.0


class SQLiteWriter:
    """Runs units of work in the order in which they come, on one connection."""

    def __init__(self, engine: Engine, lock: FileLock, timeout: float) -> None:
        self._engine = engine
        self._lock = lock
        self._timeout = timeout
        self._queue: deque[WorkItem[Any]] = deque()
        self._thread = DaemonThread("writer")
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._is_stopped = False

    @property
    def waiting(self) -> int:
        """The number of units that wait for their turn."""
        return len(self._queue)

    def start(self) -> None:
        self._is_stopped = False

    async def run(self, work: Work[T], *, is_long: bool = False) -> T:
        """Return the result of ``work`` when it is on disk. 503 if its turn does not come in time.

        ``is_long`` work has a transaction of its own, in the thread: it would hold the event loop.
        """
        if self._is_stopped:
            raise ServiceUnavailable
        item = WorkItem(work, is_long=is_long)
        self._queue.append(item)
        if self._task is None:
            # Units run for many callers, so the task has the context variables of none.
            self._task = asyncio.create_task(self._write_all(), context=Context())
        return await item.result(self._timeout)

    async def finish(self) -> None:
        """Run the queued units within a time limit, because another process may hold the lock."""
        if self._task:
            await asyncio.wait({self._task}, timeout=self._timeout)

    def stop(self) -> None:
        """Close the connection and reject later units."""
        self._is_stopped = True
        if self._task:
            self._task.cancel()
        self._thread.stop(self._timeout)
        self._close()
        self._engine.dispose()
        self._lock.close()

    async def _write_all(self) -> None:
        try:
            while self._queue:
                await self._write_batch()
        finally:
            self._task = None

    async def _write_batch(self) -> None:
        batch: list[WorkItem[Any]] = []
        try:
            if not self._lock.acquire(blocking=False):
                await self._thread.run(self._lock.acquire)
            try:
                transaction = await self._begin()
                # Only now, because a unit whose caller has left while it waited must not run.
                await self._run_units(transaction.connection, batch)
                await self._thread.run(partial(self._commit, transaction))
            except Exception:
                self._close()
                self._lock.release()
                raise
        except BaseException as error:
            # The batch as a whole did not reach the disk, so nothing of it happened. Only a server that stops
            # cancels this task, after it has waited for the disk.
            failure = ServiceUnavailable()
            failure.__cause__ = error
            for item in batch or self._drain():
                item.fail(failure)
            if not isinstance(error, Exception):
                raise
            return
        metrics.UNITS_PER_COMMIT.observe(len(batch))
        for item in batch:
            item.answer()

    def _commit(self, transaction: RootTransaction) -> None:
        transaction.commit()
        self._lock.release()

    async def _begin(self) -> RootTransaction:
        deadline = monotonic() + BUSY_SECONDS
        while True:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                return self._connection.begin()
            except OperationalError as error:
                if not _is_busy(error) or monotonic() > deadline:
                    raise
            await asyncio.sleep(BUSY_PAUSE)

    async def _run_units(self, connection: Connection, batch: list[WorkItem[Any]]) -> None:
        """Run queued units, up to the limit of one transaction. Add each unit that has run to ``batch``.

        A savepoint makes an insert a tenth slower, because the search index then writes its buffer. So
        there is no savepoint until a unit has failed after a change. Then the others rerun in savepoints.
        """
        driver: Any = connection.connection.driver_connection
        run: Run = WorkItem.run
        until = monotonic() + SLICE_SECONDS
        while self._queue and len(batch) < BATCH:
            if self._queue[0].is_long and batch:
                return
            item = self._queue.popleft()
            if not item.claim():
                continue
            batch.append(item)
            if item.is_long:
                await self._run_long(item, connection)
                return
            changes = driver.total_changes
            run(item, connection)
            if item.error is not None and run is WorkItem.run and driver.total_changes != changes:
                run = _run_in_savepoint
                _begin_again(driver)
                for other in batch[:-1]:
                    run(other, connection)
            if monotonic() > until:
                await asyncio.sleep(0)
                until = monotonic() + SLICE_SECONDS

    async def _run_long(self, item: WorkItem[Any], connection: Connection) -> None:
        await self._thread.run(partial(item.run, connection))
        if item.error is not None:
            _begin_again(connection.connection.driver_connection)

    def _drain(self) -> list[WorkItem[Any]]:
        items = [item for item in self._queue if item.claim()]
        self._queue.clear()
        return items

    def _close(self) -> None:
        """Roll back the open transaction, and use another connection next time."""
        if self._connection:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _run_in_savepoint(item: WorkItem[Any], connection: Connection) -> None:
    # On the driver itself: SQLAlchemy's savepoints cost more than most units.
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT unit")
    item.run(connection)
    if item.error is not None:
        driver.execute("ROLLBACK TO unit")
    driver.execute("RELEASE unit")


def _begin_again(driver: Any) -> None:
    """Undo the transaction and begin another, of which SQLAlchemy need not know."""
    driver.execute("ROLLBACK")
    driver.execute("BEGIN IMMEDIATE")


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", 0)
    # The low byte is the kind of the error. The others are the reason.
    return code & 0xFF == sqlite3.SQLITE_BUSY
