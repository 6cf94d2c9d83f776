"""Check the framing of requests: head, body and trailers, each with a limit (RFC 9112).

- A head has 64 KiB and 200 fields. The bytes that frame a body (chunk sizes, extensions, trailers) have a
  limit, too.
- An offer to upgrade is ignored (RFC 9110, 7.8). Trailer fields are read and discarded (RFC 9110, 6.5.1).
- A request line has exactly its three parts. A request has one valid host (RFC 9112, 3.2), one of two
  versions, and no transfer coding but ``chunked``.
"""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fluent_cart.errors import ApiError, HeadersTooLarge, InvalidRequest
from fluent_cart.formats.host import is_host
from fluent_cart.server.target import split_target

MAX_HEAD_BYTES = 64 * 1024
# Apache accepts 100. Each field takes a hundred bytes of memory, however short it is.
MAX_HEAD_FIELDS = 200
VERSIONS = frozenset({"1.0", "1.1"})
# The parser obeys these in trailers, too: it would discard the next request, which gets no answer then.
CONNECTION_FIELDS = frozenset({b"connection", b"proxy-connection"})
HOST_MESSAGE = "The request has no valid host. Send one Host header with a name or an address, and its port"
# Bytes that frame each byte of a body. A chunk of one byte has five of them.
MAX_FRAMING_PER_BYTE = 8


class FramedRequests(HttpToolsProtocol):
    """A connection that rejects requests over the limits of this module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The number of bytes received of an incomplete head.
        self._head_bytes = 0
        # The pieces that an incomplete request line came in, and the end of the last request line in them.
        self._received = b""
        self._line_end = 0
        self._is_line_checked = False
        # Counters of the current request: fields of head and trailers, bytes of the body, bytes that frame
        # the body.
        self._fields = 0
        self._body_bytes = 0
        self._framing_bytes = 0
        # The request offers an upgrade, so its parser would skip the body. See ``_continue_without_upgrade``.
        self._offers_upgrade = False
        self._is_resuming = False
        # After an error nothing more is read.
        self.discarding_input = False

    def refuse(self, error: ApiError) -> None:
        """Send an error in place of the application's response, and stop reading."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if len(data) > MAX_HEAD_BYTES:
            for start in range(0, len(data), MAX_HEAD_BYTES):
                self.data_received(data[start : start + MAX_HEAD_BYTES])
            return
        if self.discarding_input:
            return
        self._received += data
        received = self._body_bytes
        self._feed(data)
        if self.discarding_input or not self.is_in_head() or self._is_line_checked:
            self._received, self._line_end = b"", 0
        if self.is_in_head():
            # Twice the limit, because the count includes the end of an earlier request that came in the same
            # piece.
            self._head_bytes += len(data)
            if self._head_bytes > 2 * MAX_HEAD_BYTES:
                self.refuse(HeadersTooLarge())
            return
        self._head_bytes = 0
        if self.cycle is not None and self.cycle.more_body:
            self._framing_bytes += len(data) - max(self._body_bytes - received, 0)
            if self._framing_bytes > 2 * MAX_HEAD_BYTES + MAX_FRAMING_PER_BYTE * self._body_bytes:
                self.refuse(HeadersTooLarge())

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            (read,) = upgrade.args
            self._continue_without_upgrade()
            if read < len(data):
                self._feed(data[read:])
        except httptools.HttpParserError as error:
            # The parser stops for an error that a callback raised.
            cause = error.__context__
            self.refuse(cause if isinstance(cause, ApiError) else InvalidRequest())

    def _continue_without_upgrade(self) -> None:
        """Continue with a new parser that ignores the upgrade.

        httptools stops at the end of a head that offers an upgrade, and reads the body as another protocol. A
        new parser gets a head with the framing of the request only.
        """
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

    def on_message_begin(self) -> None:
        if not self._is_resuming:
            self._body_bytes = self._framing_bytes = self._fields = 0
            self._is_line_checked = False
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_resuming:
            return
        self._fields += 1
        if self._fields > MAX_HEAD_FIELDS:
            raise HeadersTooLarge
        # A trailer must not become a header, because no proxy has checked the trailer, and it could sign in.
        if self.is_in_head():
            if not self._is_line_checked:
                self._check_line()
            # The parser leaves white space at the end, which does not belong to the value (RFC 9110, 5.5).
            super().on_header(name, value.rstrip(b" \t"))
        elif name.lower() in CONNECTION_FIELDS:
            raise InvalidRequest

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
        # A head that came in one piece is no longer than that.
        if self._head_bytes and self._head_size() > MAX_HEAD_BYTES:
            raise HeadersTooLarge
        version = self.parser.get_http_version()
        if not self._is_line_checked:
            self._check_line()
        self._check_fields(version)
        self._offers_upgrade = self.parser.should_upgrade()
        if version == "1.0":
            # Clients of HTTP/1.0 do not know interim responses (RFC 9110, 10.1.1).
            self.expect_100_continue = False
        super().on_headers_complete()

    def _check_line(self) -> None:
        """Raise an error unless the request line is method, target and version, with one space between them.

        The parser accepts more spaces, and other protocols such as ``RTSP/1.0`` as if they were HTTP. It also
        accepts HTTP/0.9 and HTTP/2.0.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, version.encode())
        start = self._received.find(line, self._line_end)
        if start < 0 or version not in VERSIONS or method == b"CONNECT":
            raise InvalidRequest
        self._line_end = start + len(line)
        self._is_line_checked = True

    def _check_fields(self, version: str) -> None:
        """Raise an error unless a request has one valid host, and a body with a length or in chunks.

        A whole address replaces ``Host``. The parser accepts every list of transfer codings that ends in
        ``chunked``, also of HTTP/1.0.
        """
        hosts = []
        for name, value in self.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"transfer-encoding" and (version == "1.0" or value.lower() != b"chunked"):
                raise InvalidRequest
        self.url, target_host = split_target(self.url, self.parser.get_method())
        if len(hosts) != 1 and (hosts or version != "1.0"):
            raise InvalidRequest(HOST_MESSAGE)
        if target_host is not None:
            hosts.append(target_host)
            self.headers[:] = [
                *(field for field in self.headers if field[0] != b"host"),
                (b"host", target_host),
            ]
        for host in hosts:
            if not is_host(host.decode("latin-1")):
                raise InvalidRequest(HOST_MESSAGE)

    def is_in_head(self) -> bool:
        """Return whether the head of a request is incomplete."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
