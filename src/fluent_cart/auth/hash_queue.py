"""Slow hashes: one at a time and off the event loop, for each holds the interpreter for milliseconds."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from fluent_cart.errors import TooManyRequests

T = TypeVar("T")

MAX_WAITING = 8


class HashQueue:
    """Runs the checks of slow hashes in a thread, one after the other; at most eight wait."""

    def __init__(self) -> None:
        self._slot = CapacityLimiter(1)
        self._inside = 0

    @property
    def inside(self) -> int:
        """How many checks run or wait."""
        return self._inside

    async def run(self, check: Callable[[], T]) -> T:
        """Return what ``check`` says; 429 if too many wait already."""
        if self._inside > MAX_WAITING:
            raise TooManyRequests
        self._inside += 1
        try:
            return await to_thread.run_sync(check, limiter=self._slot)
        finally:
            self._inside -= 1
