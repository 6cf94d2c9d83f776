"""Share the sessions of an event loop among units of work, which take turns."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Engine

from fluent_cart.database.session import Gate, Session, Transaction, Work
from fluent_cart.errors import ServiceUnavailable

T = TypeVar("T")
Turn = asyncio.Future[Session]


class SessionPool:
    """The sessions of one event loop. Each runs one unit of work at a time."""

    def __init__(self, engine: Engine, size: int, timeout: float, gate: Gate | None = None) -> None:
        self._engine = engine
        self._gate = gate
        self._size = size
        self._timeout = timeout
        self._opened: list[Session] = []
        # The session that was used last comes first, so that the others stay idle.
        self._idle: list[Session] = []
        self._turns: deque[Turn] = deque()

    @property
    def in_use(self) -> int:
        """The number of sessions that run a unit of work."""
        return len(self._opened) - len(self._idle)

    @property
    def waiting(self) -> int:
        """The number of units of work that wait for a session."""
        return sum(not turn.done() for turn in self._turns)

    async def run(self, work: Work[T], transaction: Transaction, before: Work[None] | None = None) -> T:
        """Run a unit of work, as ``Session.run``. 503 if no session is free in time."""
        session = await self._acquire()
        try:
            return await session.run(work, transaction, before)
        finally:
            self._release(session)

    async def close(self) -> None:
        """Run the queued units, then close every session.

        A session that is not free in time loses its unit.
        """
        closed: list[Session] = []
        with suppress(ServiceUnavailable):
            while len(closed) < len(self._opened):
                # Queued after the units that wait already. No session is opened in place of those that are
                # held here.
                closed.append(self._idle.pop() if self._idle else await self._turn())
                await closed[-1].close()
        self.terminate()

    def terminate(self) -> None:
        """Close every session at once."""
        for session in self._opened:
            session.terminate()
        self._opened.clear()
        self._idle.clear()

    def disconnect(self) -> None:
        """End every connection. The sessions stay, and connect again when they are needed."""
        for session in self._opened:
            session.disconnect()

    async def _acquire(self) -> Session:
        if self._idle:
            return self._idle.pop()
        if len(self._opened) < self._size:
            self._opened.append(Session(self._engine, self._gate))
            return self._opened[-1]
        return await self._turn()

    async def _turn(self) -> Session:
        loop = asyncio.get_running_loop()
        turn: Turn = loop.create_future()
        self._turns.append(turn)
        # Less work than asyncio.timeout.
        deadline = loop.call_later(self._timeout, _expire, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            # The connection may arrive after its caller was cancelled.
            if turn.done() and not turn.cancelled() and not turn.exception():
                self._release(turn.result())
            raise
        finally:
            deadline.cancel()

    def _release(self, session: Session) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(session)
                return
        self._idle.append(session)


def _expire(turn: Turn) -> None:
    if not turn.done():
        turn.set_exception(ServiceUnavailable())
