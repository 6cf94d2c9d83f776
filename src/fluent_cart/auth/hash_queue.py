"""Check slow hashes one at a time in a thread, because each check holds the interpreter for milliseconds."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from fluent_cart.errors import TooManyRequests

T = TypeVar("T")

MAX_WAITING = 8


class HashQueue:
    """Runs checks of slow hashes in a thread, one after the other. At most eight wait."""

    def __init__(self) -> None:
        self._slot = CapacityLimiter(1)
        self._pending = 0

    @property
    def pending(self) -> int:
        """The number of checks that run or wait."""
        return self._pending

    async def run(self, check: Callable[[], T]) -> T:
        """Return the result of ``check``. Raise 429 if too many checks wait."""
        if self._pending > MAX_WAITING:
            raise TooManyRequests
        self._pending += 1
        try:
            return await to_thread.run_sync(check, limiter=self._slot)
        finally:
            self._pending -= 1
