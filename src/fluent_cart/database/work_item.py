"""A unit of work on its way to a thread and back.

Lighter than a ``concurrent.futures.Future``, whose locks and callbacks take as long as a look-up.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Connection

from fluent_cart.errors import ServiceUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]


class WorkItem(Generic[T]):
    """Work that a coroutine waits for; a thread runs it, unless it is given up before it has begun."""

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[T] = self._loop.create_future()
        # Held by whichever comes first: the thread that runs the work, or the timeout.
        self._claimed = threading.Lock()

    async def result(self, seconds: float) -> T:
        """Return the result; raise 503 if the work has not begun after ``seconds``."""
        deadline = self._loop.call_later(seconds, self._expire)
        try:
            return await self._outcome
        finally:
            deadline.cancel()

    def claim(self) -> bool:
        """Return whether the caller may run the work: nothing has claimed it, and its result is awaited."""
        return self._claimed.acquire(blocking=False) and not self._outcome.cancelled()

    def succeed(self, result: T) -> None:
        """Answer from a thread."""
        self._from_thread(partial(self._outcome.set_result, result))

    def fail(self, error: BaseException) -> None:
        """Answer with an error from a thread."""
        self._from_thread(partial(self._outcome.set_exception, error))

    def _from_thread(self, resolve: Callable[[], None]) -> None:
        # A loop that is closed has no waiting callers.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, resolve)

    def _settle(self, resolve: Callable[[], None]) -> None:
        if not self._outcome.cancelled():
            resolve()

    def _expire(self) -> None:
        if self.claim():
            self._outcome.set_exception(ServiceUnavailable())
