"""Look-ups on PostgreSQL, asked from the event loop.

A hop to a thread and back costs more than the server takes for a look-up. Here a statement is written to the
connection's socket, and the loop serves others until its rows can be read. Units of work are plain functions
all the same: one that asks is set aside, in a greenlet, until it is answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import greenlet_spawn

from fluent_cart.database.async_connection import AsyncConnection
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.errors import ServiceUnavailable

T = TypeVar("T")

# Every connection may have been lost with an old server; the last attempt is for one that is new.
EXTRA_ATTEMPTS = 2


class AsyncConnectionPool:
    """A few connections of the event loop; each answers one unit of work at a time."""

    def __init__(self, engine: Engine, connections: int, timeout: float) -> None:
        self._engine = engine
        self._connections = connections
        self._timeout = timeout
        self._idle: list[AsyncConnection] = []
        self._opened: set[AsyncConnection] = set()
        # How many more connections may be made; and who waits for one, or for leave to make one (None).
        self._free_slots = connections
        self._waiting: deque[asyncio.Future[AsyncConnection | None]] = deque()

    @property
    def in_use(self) -> int:
        """How many connections ask something, or are being made."""
        return self._connections - self._free_slots - len(self._idle)

    @property
    def waiting(self) -> int:
        """How many units of work wait for one."""
        return len(self._waiting)

    async def run(self, work: Callable[[LookupConnection], T]) -> T:
        """Run a unit of work that asks prepared statements only.

        On a connection that turns out to be lost nothing has happened, and the unit runs again on another.
        """
        for spare in reversed(range(self._connections + EXTRA_ATTEMPTS)):
            connection = await self._acquire()
            try:
                return await greenlet_spawn(work, connection)
            except psycopg.OperationalError as error:
                if not (connection.is_lost and spare):
                    raise ServiceUnavailable from error
            finally:
                self._release(connection)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close every connection."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._idle.clear()
        self._free_slots = self._connections

    async def _acquire(self) -> AsyncConnection:
        if self._idle:
            return self._idle.pop()
        if self._free_slots:
            self._free_slots -= 1
            return await self._open()
        return await self._turn() or await self._open()

    async def _turn(self) -> AsyncConnection | None:
        """Wait for a connection, or for leave to make one; 503 if neither comes in time."""
        turn: asyncio.Future[AsyncConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                return await turn
        except BaseException as error:
            # It may have come in the very moment in which nobody waits for it any more.
            if turn.done() and not turn.cancelled():
                self._pass_on(turn.result())
            if isinstance(error, TimeoutError):
                raise ServiceUnavailable from None
            raise

    async def _open(self) -> AsyncConnection:
        try:
            # In a thread: it takes several round trips, and seconds where nobody answers.
            connection = AsyncConnection(await asyncio.to_thread(self._engine.connect))
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, DBAPIError):
                raise ServiceUnavailable from error
            raise
        self._opened.add(connection)
        return connection

    def _release(self, connection: AsyncConnection) -> None:
        if connection not in self._opened:
            return
        # One that is still busy was left in the middle of an answer, which nobody wants any more.
        if connection.is_lost or connection.is_busy:
            connection.close()
            self._opened.discard(connection)
            self._pass_on(None)
        else:
            self._pass_on(connection)

    def _pass_on(self, connection: AsyncConnection | None) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if connection:
            self._idle.append(connection)
        else:
            self._free_slots += 1
