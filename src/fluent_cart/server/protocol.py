"""The connections of the server: uvicorn's HTTP/1.1 with deadlines for slow, stuck and hostile peers.

- A head has 10 seconds and a body has 15 seconds. The peer must read the response within 30 seconds. If not,
  the server closes the connection. ``framing`` limits the size of a request.
- An error of this module is a response like all others: in the envelope, with a request id.
- After a response that ends the connection, the server discards input for a while, because a reset would
  overtake the response.

Requests pay nothing for the deadlines. ``Protocol.enforce_deadlines`` checks each open connection once in a
while, and stores since when the connection has been waiting for the same thing.

See docs/decisions.md#4-error-responses.
"""

from collections import deque
from enum import Enum, auto
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, ClassVar
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from fluent_cart.errors import ApiError, RequestTimeout
from fluent_cart.http.error_handlers import error_response
from fluent_cart.http.request_id import HEADER
from fluent_cart.observability import metrics
from fluent_cart.observability.request_context import plain_address, request_context
from fluent_cart.server.buffered_transport import BufferedTransport
from fluent_cart.server.framing import FramedRequests

# Every connection of this process, until it is lost.
connections: set["Protocol"] = set()


# Closing a socket that lingers for no time sends a reset.
RESET = pack("ii", 1, 0)


class Waiting(Enum):
    """The next action that a connection waits for."""

    SEND_HEAD = auto()
    SEND_BODY = auto()
    READ = auto()
    STOP_SENDING = auto()
    LEAVE = auto()


class Protocol(FramedRequests):
    """A connection with deadlines."""

    # Seconds.
    TIMEOUTS: ClassVar = {
        Waiting.SEND_HEAD: 10.0,
        Waiting.SEND_BODY: 15.0,
        Waiting.READ: 30.0,
        Waiting.STOP_SENDING: 15.0,
        Waiting.LEAVE: 2.0,
    }
    # Seconds for which a new connection may still send a request during shutdown.
    SHUTDOWN_GRACE_SECONDS = 0.5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An error was sent. The server waits only for the peer to leave.
        self._refused = False
        # The response came before the end of its request, and no other response follows.
        self._responded_early = False
        self._shutting_down = False
        # The requests without a complete response, in their order.
        self._unanswered: deque[tuple[Any, BufferedTransport]] = deque()
        self._state: tuple[Waiting | None, object] = (None, None)
        self._since = 0.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.client:
            # On a socket for both families, IPv4 peers have addresses such as ::ffff:127.0.0.1.
            self.client = plain_address(self.client[0]), self.client[1]
        connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        connections.discard(self)
        super().connection_lost(exc)
        # uvicorn leaves the timer of a connection that was reset, and with it the connection and its headers.
        self._unset_keepalive_if_required()
        # uvicorn knows the last request only. The one that runs would write to a closed connection.
        for cycle, transport in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
            request_context(cycle.scope).is_abandoned = True
            transport.detach()
        self._unanswered.clear()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being received or a response is being sent."""
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.disconnected)

    def on_headers_complete(self) -> None:
        cycle = self.cycle
        super().on_headers_complete()
        if self.cycle is cycle:
            return
        buffered = BufferedTransport(
            self.transport,
            self.on_response_complete,
            self._close,
            knows_chunks=self.scope["http_version"] != "1.0",
        )
        self.cycle.transport, self.cycle.on_response = buffered, buffered.done  # type: ignore[assignment]
        self._unanswered.append((self.cycle, buffered))
        if self._shutting_down:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        _, transport = self._unanswered.popleft()
        transport.detach()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Close the connection after its response. A new connection may have a request on its way."""
        if self.cycle is None and not (self._shutting_down or self.discarding_input):
            self._shutting_down = True
            self.loop.call_later(self.SHUTDOWN_GRACE_SECONDS, self.shutdown)
        else:
            super().shutdown()

    def enforce_deadlines(self, now: float) -> bool:
        """Close the connection if it has waited too long for its peer at ``now``.

        Return whether it was closed.

        The time runs from the first call that finds the connection waiting for the same thing.
        """
        state = self._find_state()
        if state != self._state:
            self._state, self._since = state, now
        waiting, _ = state
        if waiting is None or now - self._since < self.TIMEOUTS[waiting]:
            return False
        if waiting in (Waiting.READ, Waiting.STOP_SENDING, Waiting.LEAVE):
            self.transport.abort()
        elif waiting is Waiting.SEND_BODY or self.is_in_head():
            self.refuse(RequestTimeout())
        else:
            # No request was started, so no response is sent, because the client could read it as the response
            # to its next request.
            self.transport.close()
        return True

    def _find_state(self) -> tuple[Waiting | None, object]:
        """Return the action that the connection waits for, and a value that changes with any progress."""
        if self._refused:
            return Waiting.LEAVE, None
        if self._responded_early:
            return Waiting.STOP_SENDING, None
        if unsent := self.transport.get_write_buffer_size():
            return Waiting.READ, unsent
        if not self.is_busy:
            return Waiting.SEND_HEAD, self.cycle
        if self.pipeline or not self.cycle.more_body:
            return None, self.cycle
        return Waiting.SEND_BODY, self.cycle

    def refuse(self, error: ApiError) -> None:
        """Send an error in place of the application's response, and stop reading.

        Only the first error is sent.
        """
        if self._refused:
            return
        self.discarding_input = True
        if self.pipeline:
            # An error now would be read as an earlier response. This request times out when its turn comes.
            return
        if self.is_busy and not self.cycle.more_body:
            # Responses to earlier requests are sent first.
            self.cycle.keep_alive = False
        elif self.is_busy and self.cycle.response_started:
            self.transport.abort()
        else:
            if self.is_busy:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._refused = True
            metrics.REFUSALS.labels(error.code).inc()
            self.transport.write(self._error_bytes(error))
            self._end_answers()

    def _close(self) -> None:
        """Close the connection after a response."""
        if self.cycle.more_body and not self.transport.is_closing():
            self.discarding_input = self._responded_early = True
            self._end_answers()
        elif self.cycle.scope["http_version"] == "1.0" and not self.cycle.response_complete:
            # The end of the connection would be the end of a response that has no length.
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET)
            self.transport.abort()
        else:
            self.transport.close()

    def _end_answers(self) -> None:
        # Closing with unread input would reset the connection, and the response might be lost.
        self.flow.resume_reading()
        self.transport.write_eof()

    def _error_bytes(self, error: ApiError) -> bytes:
        error.headers |= {
            HEADER: uuid4().hex,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store, private",
            "Connection": "close",
        }
        response = error_response(error)
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return b"%b%b\r\n%b" % (STATUS_LINE[response.status_code], lines, bytes(response.body))
