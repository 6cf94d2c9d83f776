"""Log the reasons of 503 responses, at most one line each second."""

import logging
import time
from collections.abc import Callable

from fluent_cart.errors import ServiceUnavailable

logger = logging.getLogger("fluent_cart.unavailable")
QUIET_SECONDS = 1.0


class UnavailableLog:
    """Logs reasons, and the number of responses without a line of their own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quiet_until = 0.0
        self._skipped = 0

    def log(self, error: ServiceUnavailable) -> None:
        """Log the reason of a 503, unless another reason was logged within a second."""
        now = self._clock()
        if now < self._quiet_until:
            self._skipped += 1
            return
        others = f" ({self._skipped} others since the last line)" if self._skipped else ""
        logger.warning("Answered 503: %s%s", reason_of(error), others)
        self._quiet_until, self._skipped = now + QUIET_SECONDS, 0


def reason_of(error: BaseException) -> str:
    """Return the first line of the first error in a chain of errors, which is the driver's message."""
    while error.__cause__:
        error = error.__cause__
    words = str(getattr(error, "orig", None) or error).strip()
    return words.splitlines()[0] if words else type(error).__name__


log_unavailable = UnavailableLog().log
