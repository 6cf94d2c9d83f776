"""What became of each request: noted as it ends, and told in batches to the metrics and to the server's log.

One at a time, between the statements of requests, the same costs three times as much.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from fluent_cart.observability import metrics

BATCH = 32


class Request(NamedTuple):
    """A request that is over."""

    # When it ended, in seconds since 1970.
    time: float
    # What was said of it on its way: its id, and its user's.
    state: dict[str, Any]
    # Its route's template, never its path.
    route: str
    method: str
    # 0 if its caller left before an answer began.
    status: int
    bytes: int
    seconds: float


RequestSink = Callable[[Sequence[Request]], None]


class RequestEventBuffer:
    """Notes requests; ``on_requests`` hears of them once there are a few, or when ``send`` is called."""

    def __init__(self, on_requests: RequestSink | None = None) -> None:
        self._tell = on_requests
        self._noted: list[tuple[Any, ...]] = []

    def note(
        self, state: dict[str, Any], route: str, method: str, status: int, size: int, seconds: float
    ) -> None:
        """Note a request that is over."""
        self._noted.append((time.time(), state, route, method, status, size, seconds))
        if len(self._noted) >= BATCH:
            self.send()

    def send(self) -> None:
        """Tell of what was noted."""
        requests = [*map(Request._make, self._noted)]
        self._noted.clear()
        # Shared figures are in files: on a full disk requests go uncounted, and are answered all the same.
        with suppress(OSError):
            for request in requests:
                metrics.count_request(request.route, request.method, request.status, request.seconds)
        if self._tell:
            self._tell(requests)
