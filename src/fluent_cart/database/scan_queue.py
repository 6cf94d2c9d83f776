"""Queue scans so that callers take turns, and one caller cannot delay all others.

A scan may read every row, so a few of them keep every thread busy. Each caller has a queue, and the queues
take turns. A caller who has closed the connection leaves the queue.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from fluent_cart.errors import ServiceUnavailable, TooManyRequests

T = TypeVar("T")
Turn = asyncio.Future[None]

# Limits for one caller, and for all callers of a process together.
MAX_WAITING_OF_ONE, MAX_WAITING = 64, 512


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
        self._timeout = timeout
        # By user. The first user has the next turn.
        self._waiting: dict[int | None, deque[Turn]] = {}

    @property
    def waiting(self) -> int:
        """The number of scans that wait for their turn."""
        return sum(map(len, self._waiting.values()))

    async def run(self, scan: Callable[[], Awaitable[T]]) -> T:
        """Return the result of ``scan``, which runs in its turn.

        Raise 429 if the caller has too many scans waiting, and 503 if all callers have, or if the turn does
        not come in time.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        try:
            return await scan()
        finally:
            self._release()

    async def _wait(self) -> None:
        caller = CALLER.get()
        user_id = caller.user_id if caller else None
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
            if not turn.done() or any(end.done() for end in ends[1:]):
                # Too late, or the caller has left and reads no response.
                raise ServiceUnavailable
        except BaseException:
            self._leave(user_id, turn)
            raise
        finally:
            for end in ends[1:]:
                end.cancel()

    def _leave(self, user_id: int | None, turn: Turn) -> None:
        if turn.done():
            self._release()
            return
        own = self._waiting[user_id]
        own.remove(turn)
        if not own:
            del self._waiting[user_id]

    def _release(self) -> None:
        """Pass the turn to the user who has waited longest since the last turn, or free the slot."""
        if not self._waiting:
            self._free += 1
            return
        user_id = next(iter(self._waiting))
        own = self._waiting.pop(user_id)
        own.popleft().set_result(None)
        if own:
            self._waiting[user_id] = own
