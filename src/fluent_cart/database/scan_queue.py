"""Queue scans so that callers take turns, and one caller cannot delay all others.

A scan may read every row, so a few of them keep every thread busy. Each caller has a queue, and the queues
take turns. A caller with running scans does not get the last slot, so another caller's scan starts at once. A
caller who has closed the connection leaves the queue.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from fluent_cart.errors import ServiceUnavailable, TooManyRequests

T = TypeVar("T")
Turn = asyncio.Future[None]

# Limits for one caller, and for all callers of a process together.
MAX_WAITING_OF_ONE, MAX_WAITING = 64, 512
# With fewer slots, keeping the last one for another caller would halve the speed of a caller who is alone.
MIN_SLOTS_TO_SHARE = 3


class ClientGone(Exception):
    """The client has closed the connection, so its work does not run, and no response can reach it."""


class Caller(NamedTuple):
    """The user for whom a unit of work runs, and the ASGI channel that reports the end of the connection."""

    user_id: int
    receive: Callable[[], Awaitable[Mapping[str, Any]]]

    async def wait_for_disconnect(self) -> None:
        """Return when the connection is closed."""
        # The body of a GET comes before that, and is not read.
        while (await self.receive())["type"] != "http.disconnect":
            pass


# Set once the user of a request is known. A context variable, so that services need not pass the user on.
CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)


class ScanQueue:
    """Runs a number of scans at once. The others wait for their turn."""

    def __init__(self, slots: int, timeout: float) -> None:
        self._free = slots
        # Slots that a caller with running scans leaves free.
        self._shared = 1 if slots >= MIN_SLOTS_TO_SHARE else 0
        self._timeout = timeout
        self._running: Counter[int | None] = Counter()
        # By user. The first user has the next turn.
        self._waiting: dict[int | None, deque[Turn]] = {}

    @property
    def waiting(self) -> int:
        """The number of scans that wait for their turn."""
        return sum(map(len, self._waiting.values()))

    async def run(self, scan: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``scan``, which runs in its turn.

        Raise 429 if the caller has too many scans waiting, 503 if all callers have, or if the turn does not
        come in time, and ``ClientGone`` if the caller closes the connection first.
        """
        caller = CALLER.get()
        user_id = caller.user_id if caller else None
        if self._may_run(user_id):
            self._take_slot(user_id)
        else:
            await self._wait(user_id, caller)
        try:
            return await scan()
        finally:
            self._release(user_id)

    async def _wait(self, user_id: int | None, caller: Caller | None) -> None:
        own = self._waiting.get(user_id, deque())
        if len(own) >= MAX_WAITING_OF_ONE:
            raise TooManyRequests(1)
        if self.waiting >= MAX_WAITING:
            raise ServiceUnavailable
        turn: Turn = asyncio.get_running_loop().create_future()
        self._waiting[user_id] = own
        own.append(turn)
        ends: list[asyncio.Future[None]] = [turn]
        if caller:
            ends.append(asyncio.ensure_future(caller.wait_for_disconnect()))
        try:
            await asyncio.wait(ends, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            if any(end.done() for end in ends[1:]):
                raise ClientGone
            if not turn.done():
                raise ServiceUnavailable
        except BaseException:
            self._leave(user_id, turn)
            raise
        finally:
            for end in ends[1:]:
                end.cancel()

    def _leave(self, user_id: int | None, turn: Turn) -> None:
        if turn.done():
            self._release(user_id)
            return
        own = self._waiting[user_id]
        own.remove(turn)
        if not own:
            del self._waiting[user_id]

    def _may_run(self, user_id: int | None) -> bool:
        return self._free > (self._shared if self._running[user_id] else 0)

    def _take_slot(self, user_id: int | None) -> None:
        self._free -= 1
        self._running[user_id] += 1

    def _release(self, user_id: int | None) -> None:
        """Free a slot, and assign it to the allowed user who has waited longest since the last turn."""
        self._free += 1
        self._running[user_id] -= 1
        if not self._running[user_id]:
            del self._running[user_id]
        for waiting, turns in self._waiting.items():
            if self._may_run(waiting):
                del self._waiting[waiting]
                self._take_slot(waiting)
                turns.popleft().set_result(None)
                if turns:
                    self._waiting[waiting] = turns
                return
