"""Send head and body of a response in one write, to clients of HTTP/1.0 without chunks."""

from collections.abc import Callable
from typing import Any

# uvicorn adds it to the head of a response whose length is not known.
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


def _do_nothing() -> None:
    pass


class BufferedTransport:
    """A transport that stores the head of a response until the first bytes of its body are written."""

    __slots__ = (
        "_close", "_done", "_head", "_is_begun", "_is_chunked", "_is_last", "_knows_chunks", "_transport",
        "is_closing",
    )  # fmt: skip

    def __init__(
        self,
        transport: Any,
        done: Callable[[], None],
        close: Callable[[], None],
        *,
        knows_chunks: bool = True,
    ) -> None:
        self._transport = transport
        self._done = done
        self._close = close
        self._is_last = False
        self._head = b""
        self._is_begun = False
        # The end of the connection is the end of a response to HTTP/1.0 (RFC 9112, 6.1 and 6.3).
        self._knows_chunks = knows_chunks
        self._is_chunked = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._is_chunked:
            data = _content(data)
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif self._is_begun or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        else:
            self._is_chunked = not self._knows_chunks and data.endswith(CHUNKED)
            self._head = data.removesuffix(CHUNKED) + b"\r\n" if self._is_chunked else data
            self._is_begun = True

    def detach(self) -> None:
        """Drop the connection, which is lost or has its response.

        Otherwise both objects would refer to each other until a full garbage collection, which is rare.
        """
        self._done = self._close = _do_nothing

    def close(self) -> None:
        if self._head:
            self.write(b"")
        self._is_last = True
        self._close()

    def done(self) -> None:
        # A response to HEAD has no body.
        if self._head:
            self.write(b"")
        if not self._is_last:
            self._done()


def _content(chunk: bytes) -> bytes:
    """Return the content of a chunk. The chunk that ends a body may follow it."""
    size, _, content = chunk.partition(b"\r\n")
    return content[: int(size, 16)] if size else b""
