"""Limit requests with a token bucket for each user, which all processes of one machine share.

A bucket is one number: the time at which it will be full again. A request adds the time in which one token
comes back. The numbers are in memory that the processes map, each at its user's place. They are read and
written without a lock, so two processes that count the same user in the same microsecond may count one
request for both.
"""

import logging
import math
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

logger = logging.getLogger(__name__)

# Seconds in which an empty bucket fills.
BURST_SECONDS = 10
# Users whose ids differ by a multiple of this share a bucket. Only the pages in use take memory.
BUCKETS = 1 << 20
BYTES = BUCKETS * 8
# Less than the time of any token: the possible error of sums of fractions.
ROUNDING = 1e-7

Headers = tuple[tuple[bytes, bytes], ...]


class RateLimiter:
    """Allows each user ``per_second`` requests on average, ten times as many at once. 0 means no limit."""

    def __init__(self, per_second: int, file: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._limit = b"%d" % (per_second * BURST_SECONDS)
        self._clock = clock
        memory = _memory(file) if per_second else b""
        self._full_at: memoryview[float] = memoryview(memory).cast("d")

    def acquire(self, user_id: int) -> tuple[int, Headers]:
        """Take a token for a request of a user.

        Return the seconds to wait, which are 0 if there was a token, and headers with the size of the bucket,
        its remaining tokens, and the seconds until it is full.
        """
        if not self._per_second:
            return 0, ()
        now, place = self._clock(), user_id % BUCKETS
        missing = self._full_at[place] - now
        if missing < 0:
            missing = 0.0
        after = missing + 1 / self._per_second
        wait = 0
        if after <= BURST_SECONDS + ROUNDING:
            missing = after
            self._full_at[place] = now + after
        else:
            wait = math.ceil(after - BURST_SECONDS - ROUNDING)
        return wait, (
            (b"x-ratelimit-limit", self._limit),
            (b"x-ratelimit-remaining", b"%d" % ((BURST_SECONDS - missing + ROUNDING) * self._per_second)),
            (b"x-ratelimit-reset", b"%d" % math.ceil(missing - ROUNDING)),
        )


def _memory(file: str) -> mmap.mmap:
    if file:
        try:
            with Path(file).open("r+b") as shared:
                return mmap.mmap(shared.fileno(), BYTES)
        except (OSError, ValueError):
            # The file was deleted. A limit for each process is better than a process that does not start.
            logger.warning("Requests are counted in this process alone, because the shared file is gone")
    return mmap.mmap(-1, BYTES)


@contextmanager
def shared_file() -> Iterator[str]:
    """Create the file in which the processes of one machine count together, and yield its path."""
    with TemporaryDirectory(prefix="fluent-cart-") as folder:
        path = Path(folder) / "requests"
        with path.open("wb") as file:
            file.truncate(BYTES)
        yield str(path)
