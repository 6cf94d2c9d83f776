"""A streaming replica that answers reads, as long as it has everything that was acknowledged before them.

It is watched once a second. A read that it cannot answer in time is the primary's, and so are all reads after
it until the watch finds the replica well again.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from fluent_cart.database.log_position import (
    Position,
    PrimaryLog,
    ReplicaUnusable,
    forget_replayed,
    require_replayed,
)
from fluent_cart.database.postgresql_engine import STREAM_LIMITS, create_postgresql_engine, serving_engine
from fluent_cart.database.scan_queue import ScanQueue
from fluent_cart.database.session import Transaction, Work, is_lost, is_too_slow
from fluent_cart.database.session_gate import SessionGate
from fluent_cart.database.session_pool import SessionPool
from fluent_cart.errors import ServiceUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")
Before = Callable[[Connection], None]

WATCH_SECONDS = 1.0
# A replica that does not answer within this time is away, though its connections are open.
ANSWER_SECONDS = 1.0
# An export takes longer than this anyway.
STREAM_PATIENCE_SECONDS = 1.0


class Replica:
    """Runs reads on a replica. Raises ``ReplicaUnusable`` if the primary has to run them."""

    def __init__(self, url: str, log: PrimaryLog, *, connections: int, timeout: float) -> None:
        self._url = url
        self._log = log
        serving = serving_engine(url)
        admission = _Admission(lambda: self._is_usable)
        scans = connections // 2
        self._scans = ScanQueue(scans, timeout)
        self._scanning = SessionPool(serving, scans, timeout, admission)
        self._lookups = SessionPool(serving, connections - scans - 1, timeout, admission)
        self._gate = SessionGate(url)
        self._gate.require_check()
        self._probes = SessionPool(serving, 1, timeout, self._gate)
        self._watching: asyncio.Task[None] | None = None
        # None until it was looked at.
        self._is_usable: bool | None = None
        self._lag = 0.0
        self._complete_at = time.monotonic()

    @property
    def is_unused(self) -> bool:
        """Whether reads are the primary's, because the replica is away or behind."""
        return self._watching is not None and not self._is_usable

    @property
    def lag(self) -> float:
        """The seconds that the replica was behind at the last check. If unused, since it was complete."""
        return time.monotonic() - self._complete_at if self.is_unused else self._lag

    @property
    def waiting(self) -> int:
        """The number of reads that wait for a session."""
        return self._scans.waiting + self._lookups.waiting

    async def read(self, work: Work[T]) -> T:
        """Run a look-up."""
        return await self._run(lambda before: self._lookups.run(work, (), before))

    async def scan(self, work: Work[T], transaction: Transaction) -> T:
        """Run a read that may look at many rows, in one snapshot."""
        return await self._run(
            lambda before: self._scans.run(lambda: self._scanning.run(work, transaction, before))
        )

    async def _run(self, run: Callable[[Before], Awaitable[T]]) -> T:
        position = await self.required_position()
        try:
            return await run(partial(require_replayed, position=position, sleep=_sleep))
        except ReplicaUnusable as error:
            self._stop_using(error)
            raise
        except ServiceUnavailable as error:
            cause = error.__cause__
            # Without a cause the queue was full or the turn came too late. The primary would not be faster.
            if cause is None or is_too_slow(cause):
                raise
            if is_lost(cause):
                self._stop_using(cause)
            raise ReplicaUnusable("The replica ended the read") from error

    async def required_position(self) -> Position:
        """Return the place in the log that a read must not be older than."""
        self._watch()
        if not self._is_usable:
            raise ReplicaUnusable("The replica is away or behind")
        return await self._log.end()

    @contextmanager
    def snapshot(self, position: Position) -> Iterator[Connection]:
        """Yield a connection for a thread. It sees one state of the shop, at ``position`` or later."""
        made = create_postgresql_engine(
            self._url, connections=1, isolation_level="REPEATABLE READ", limits=STREAM_LIMITS
        )
        try:
            with self._opened(made.connect, position) as connection, connection.begin():
                yield connection
        finally:
            made.dispose()

    @contextmanager
    def _opened(self, connect: Callable[[], Connection], position: Position) -> Iterator[Connection]:
        try:
            connection = connect()
        except DBAPIError as error:
            raise ReplicaUnusable("The replica is away") from error
        with connection:
            try:
                # A transaction of its own: its snapshot may be older than the answer.
                with connection.begin():
                    require_replayed(connection, position, time.sleep, STREAM_PATIENCE_SECONDS)
            except DBAPIError as error:
                raise ReplicaUnusable("The replica is away") from error
            yield connection

    async def close(self) -> None:
        """Run the queued units, then close every session."""
        if self._watching:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        for sessions in (self._lookups, self._scanning, self._probes):
            await sessions.close()

    def terminate(self) -> None:
        """Close every session at once."""
        for sessions in (self._lookups, self._scanning, self._probes):
            sessions.terminate()

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_for_ever())

    async def _watch_for_ever(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(WATCH_SECONDS)

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            position = await self._log.end()
        except ServiceUnavailable:
            # Nothing is known without the primary, and no read gets as far as here.
            return
        asked = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._probes.run(partial(_probe, position=position), ())
        except ReplicaUnusable as error:
            self._stop_using(error)
        except Exception as error:
            self._gate.require_check()
            self._stop_using(error.__cause__ or error)
            # Reads that wait for an answer fail now, and are the primary's.
            self._lookups.disconnect()
            self._scanning.disconnect()
        else:
            self._use(began, lag=time.monotonic() - asked)

    def _use(self, complete_at: float, lag: float) -> None:
        self._complete_at, self._lag = complete_at, lag
        if not self._is_usable:
            self._is_usable = True
            logger.info("The replica answers reads")

    def _stop_using(self, reason: BaseException) -> None:
        if self._is_usable is not False:
            self._is_usable = False
            logger.warning("The primary answers the reads of the replica: %s", _words(reason))


class _Admission:
    """Lets the sessions of reads connect only to a replica that is in use.

    Of the reads that wait while a replica is lost, each would wait for a connection in vain.
    """

    def __init__(self, is_usable: Callable[[], bool | None]) -> None:
        self._is_usable = is_usable

    async def enter(self) -> None:
        if not self._is_usable():
            raise ReplicaUnusable("The replica is away or behind")

    def report_failure(self) -> None:
        """Do nothing: the read that fails reports it."""


def _probe(connection: Connection, position: Position) -> None:
    forget_replayed(connection)
    require_replayed(connection, position, _sleep)


def _sleep(seconds: float) -> None:
    await_only(asyncio.sleep(seconds))


def _words(reason: BaseException) -> str:
    words = str(getattr(reason, "orig", None) or reason).strip()
    return words.splitlines()[0] if words else type(reason).__name__
