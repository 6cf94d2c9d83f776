"""HTTP/1.1 as uvicorn speaks it, to peers that may be slow, stuck or hostile.

- A head has 10 seconds, 64 KiB and 200 fields, a body 15 seconds, and an answer must be read: else the
  connection ends. What frames a body (chunk sizes, extensions, trailers) has a limit, too.
- An offer to upgrade is ignored (RFC 9110, 7.8). Trailer fields are read and discarded (RFC 9110, 6.5.1).
- What is refused here is answered as everything else is: in the envelope, with a request id (decision 4).
- The head and the body of an answer go out in one write.
- What still comes in after an answer that ends the connection is thrown away for a while: a reset would
  overtake the answer.

Requests pay nothing for the deadlines: ``Protocol.enforce_deadlines`` looks at each open connection now and
then, and remembers since when it has been waiting for the same thing.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, ClassVar
from uuid import uuid4

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fluent_cart.errors import ApiError, HeadersTooLarge, InvalidRequest, RequestTimeout
from fluent_cart.http.error_handlers import error_response
from fluent_cart.http.request_id import HEADER
from fluent_cart.observability import metrics
from fluent_cart.observability.request_context import plain_address

MAX_HEAD_BYTES = 64 * 1024
# Apache takes 100. Each field costs a hundred bytes of memory, however short it is.
MAX_HEAD_FIELDS = 200
# Bytes that frame each byte of a body. A chunk of one byte has five of them.
MAX_FRAMING_PER_BYTE = 8

# Every connection of this process, until it is lost.
connections: set["Protocol"] = set()


class Waiting(Enum):
    """What the peer of a connection is to do next."""

    SEND_HEAD = auto()
    SEND_BODY = auto()
    READ = auto()
    STOP_SENDING = auto()
    LEAVE = auto()


class Protocol(HttpToolsProtocol):
    """A connection."""

    # Seconds.
    TIMEOUTS: ClassVar = {
        Waiting.SEND_HEAD: 10.0,
        Waiting.SEND_BODY: 15.0,
        Waiting.READ: 30.0,
        Waiting.STOP_SENDING: 15.0,
        Waiting.LEAVE: 2.0,
    }
    # How long a new connection may still ask something when the server shuts down.
    SHUTDOWN_GRACE_SECONDS = 0.5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What came of a head that is not complete yet.
        self._head_bytes = 0
        # Of the current request: fields of head and trailers, bytes of the body, bytes that frame the body.
        self._fields = 0
        self._body_bytes = 0
        self._framing_bytes = 0
        # The request offers an upgrade, so its parser would skip the body: see ``_continue_without_upgrade``.
        self._offers_upgrade = False
        self._is_resuming = False
        # After an error nothing more is read; once the peer is told, only its leaving is awaited.
        self._discarding_input = False
        self._refused = False
        # The answer came before the end of its request, and there will be no other.
        self._responded_early = False
        self._shutting_down = False
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
        # Else both objects would refer to each other until a full garbage collection, which is rare.
        for cycle in (self.cycle, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and isinstance(cycle.transport, _Answer):
                cycle.transport.detach()

    @property
    def is_busy(self) -> bool:
        """Whether a request is being received or answered."""
        return self.cycle is not None and not (self.cycle.response_complete or self.cycle.disconnected)

    def data_received(self, data: bytes) -> None:
        if len(data) > MAX_HEAD_BYTES:
            for start in range(0, len(data), MAX_HEAD_BYTES):
                self.data_received(data[start : start + MAX_HEAD_BYTES])
            return
        if self._discarding_input:
            return
        received = self._body_bytes
        self._feed(data)
        if self._is_in_head():
            # Counts the end of an earlier request, if that came in the same piece: hence twice the limit.
            self._head_bytes += len(data)
            if self._head_bytes > 2 * MAX_HEAD_BYTES:
                self._refuse(HeadersTooLarge())
            return
        self._head_bytes = 0
        if self.cycle is not None and self.cycle.more_body:
            self._framing_bytes += len(data) - max(self._body_bytes - received, 0)
            if self._framing_bytes > 2 * MAX_HEAD_BYTES + MAX_FRAMING_PER_BYTE * self._body_bytes:
                self._refuse(HeadersTooLarge())

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            (read,) = upgrade.args
            if self._continue_without_upgrade() and read < len(data):
                self._feed(data[read:])
        except httptools.HttpParserError:
            self._refuse(InvalidRequest())

    def _continue_without_upgrade(self) -> bool:
        """Go on with a parser that knows how long the body is, but not of the upgrade; return whether it can.

        httptools stops at the end of a head that offers an upgrade, and takes the body for another protocol.
        A new parser reads a head with the framing of the request and nothing else.
        """
        if self.parser.get_method() == b"CONNECT":
            self._refuse(InvalidRequest())
            return False
        framing = [
            b"%b: %b\r\n" % field
            for field in self.headers
            if field[0] in (b"content-length", b"transfer-encoding")
        ]
        connection = b"" if self.cycle.keep_alive else b"connection: close\r\n"
        version = self.parser.get_http_version().encode()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._offers_upgrade, self._is_resuming = False, True
        self.parser.feed_data(b"POST / HTTP/%b\r\n%b%b\r\n" % (version, b"".join(framing), connection))
        return True

    def on_message_begin(self) -> None:
        if not self._is_resuming:
            self._body_bytes = self._framing_bytes = self._fields = 0
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_resuming:
            return
        self._fields += 1
        if self._fields > MAX_HEAD_FIELDS:
            self._refuse(HeadersTooLarge())
            raise HeadersTooLarge  # the parser's way to be stopped
        # A trailer must not become a header: no proxy has looked at the trailer, and it could sign in.
        if self._is_in_head():
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._offers_upgrade:
            super().on_message_complete()

    def on_headers_complete(self) -> None:
        if self._is_resuming:
            self._is_resuming = False
            return
        self._require_host()
        # A head that came in one piece is no longer than that.
        if self._head_bytes and self._head_size() > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge())
            raise HeadersTooLarge  # the parser's way to be stopped
        self._offers_upgrade = self.parser.should_upgrade()
        if self.parser.get_http_version() == "1.0":
            # Clients of HTTP/1.0 do not know interim responses (RFC 9110, 10.1.1).
            self.expect_100_continue = False
        super().on_headers_complete()
        answer = _Answer(self.transport, self.on_response_complete, self._close)
        self.cycle.transport, self.cycle.on_response = answer, answer.done  # type: ignore[assignment]
        if self._shutting_down:
            self.cycle.keep_alive = False

    def _require_host(self) -> None:
        """Refuse a request with several hosts, and one of HTTP/1.1 without a host (RFC 9112, 3.2)."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._refuse(InvalidRequest())
            raise InvalidRequest  # the parser's way to be stopped

    def shutdown(self) -> None:
        """Close the connection when what it asks is answered; a new one may have a request on its way."""
        if self.cycle is None and not (self._shutting_down or self._discarding_input):
            self._shutting_down = True
            self.loop.call_later(self.SHUTDOWN_GRACE_SECONDS, self.shutdown)
        else:
            super().shutdown()

    def enforce_deadlines(self, now: float) -> bool:
        """End the connection, and tell so, if it has been waiting too long for its peer at ``now``.

        To be called now and then: the time runs from the first call that finds it waiting for the same thing.
        """
        state = self._find_state()
        if state != self._state:
            self._state, self._since = state, now
        waiting, _ = state
        if waiting is None or now - self._since < self.TIMEOUTS[waiting]:
            return False
        if waiting in (Waiting.READ, Waiting.STOP_SENDING, Waiting.LEAVE):
            self.transport.abort()
        elif waiting is Waiting.SEND_BODY or self._is_in_head():
            self._refuse(RequestTimeout())
        else:
            # It never began to ask: an answer might be taken for that to its next request.
            self.transport.close()
        return True

    def _find_state(self) -> tuple[Waiting | None, object]:
        """Return what the connection is waiting for, and what stays the same until there is progress."""
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

    def _is_in_head(self) -> bool:
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _refuse(self, error: ApiError) -> None:
        """Answer in place of the application, and read no more; the first error is the one that counts."""
        if self._refused:
            return
        self._discarding_input = True
        if self.pipeline:
            # An error now would be taken for an earlier answer; this request times out when it has its turn.
            return
        if self.is_busy and not self.cycle.more_body:
            # What was asked before is answered.
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
        """Close the connection after an answer."""
        if self.cycle.more_body and not self.transport.is_closing():
            self._discarding_input = self._responded_early = True
            self._end_answers()
        else:
            self.transport.close()

    def _end_answers(self) -> None:
        # Closed at once with something unread, it would be reset, and the answer perhaps lost.
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


def _do_nothing() -> None:
    pass


class _Answer:
    """The transport as an answer sees it: its head is kept until the body goes with it, in one write."""

    __slots__ = ("_close", "_done", "_head", "_is_begun", "_is_last", "_transport", "is_closing")

    def __init__(self, transport: Any, done: Callable[[], None], close: Callable[[], None]) -> None:
        self._transport = transport
        self._done = done
        self._close = close
        self._is_last = False
        self._head = b""
        self._is_begun = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif self._is_begun or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        else:
            self._head = data
            self._is_begun = True

    def detach(self) -> None:
        """Forget the connection, which is lost."""
        self._done = self._close = _do_nothing

    def close(self) -> None:
        if self._head:
            self.write(b"")
        self._is_last = True
        self._close()

    def done(self) -> None:
        # An answer to HEAD has no body.
        if self._head:
            self.write(b"")
        if not self._is_last:
            self._done()
