"""Send head and body of a response in one write."""

from collections.abc import Callable
from typing import Any


def _do_nothing() -> None:
    pass


class BufferedTransport:
    """A transport that stores the head of a response until the first bytes of its body are written."""

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
        """Drop the connection, which is lost."""
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
