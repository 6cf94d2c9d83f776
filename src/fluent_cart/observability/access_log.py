"""Write a log line for each request, many lines at a time.

The event loop writes only what standard error accepts at once, because a reader of the log may be slow or
stuck. A thread would have to wait for the interpreter after each write, and a busy event loop rarely releases
it.

See docs/decisions.md#90-log.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from fluent_cart.observability import metrics
from fluent_cart.observability.logging import request_renderer
from fluent_cart.observability.request_events import RequestEvent
from fluent_cart.observability.standard_error import PIECE_BYTES, write_to_standard_error

logger = logging.getLogger("fluent_cart.requests")
NAME = logger.name

# The limit of lines kept for a slow reader. Further lines are dropped, and a metric counts them.
MAX_PIECES = 1000

Write = Callable[[bytes], bool]


class RequestLog:
    """Writes log lines. A process that is killed loses the lines of its last tenth of a second."""

    def __init__(self, format_: str, write: Write = write_to_standard_error) -> None:
        self._render = request_renderer(format_)
        self._write = write
        self._pieces: deque[bytes] = deque()

    @property
    def is_enabled(self) -> bool:
        """Whether the level of the log includes these lines."""
        return logger.isEnabledFor(logging.INFO)

    def on_requests(self, requests: Sequence[RequestEvent]) -> None:
        """Write a line for each request, and the lines that could not be written before."""
        for request in requests:
            self._add(
                self._render(
                    {
                        "time": datetime.fromtimestamp(request.time, UTC),
                        "level": "info",
                        "logger": NAME,
                        "event": "request",
                        "request_id": request.context.request_id,
                        "user_id": request.context.user_id,
                        "method": request.method,
                        "route": request.route,
                        "status": request.status,
                        "duration_ms": round(request.seconds * 1000, 3),
                        "bytes": request.bytes,
                    }
                )
            )
        while self._pieces:
            if not self._write(self._pieces[0]):
                return
            self._pieces.popleft()

    def _add(self, line: bytes) -> None:
        if self._pieces and len(self._pieces[-1]) + len(line) <= PIECE_BYTES:
            self._pieces[-1] += line
        elif len(self._pieces) < MAX_PIECES:
            self._pieces.append(line)
        else:
            metrics.DROPPED_LOG_LINES.inc()
