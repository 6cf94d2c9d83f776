"""A window that moves over the text of a dump, so that memory does not grow with the dump or a statement."""

import re
from typing import Protocol

from fluent_cart.importers.wordpress.source_tables import SourceError

CHUNK = 256 * 1024
# The largest part that must be in memory as a whole, such as a row.
MAX_TOKEN_BYTES = 64 * 1024 * 1024

_OUTSIDE = re.compile(rb"[^'\"`;#/-]++")
_LINE_COMMENT = re.compile(rb"#|--\s")
_INSIDE = {
    b"'": re.compile(rb"(?:[^'\\]++|\\.)*+", re.S),
    b'"': re.compile(rb"(?:[^\"\\]++|\\.)*+", re.S),
    b"`": re.compile(rb"[^`]*+"),
}


class Stream(Protocol):
    def read(self, length: int, /) -> bytes: ...


class BufferedReader:
    """The part of a dump that is in memory, and the current position in it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._text, self._at, self._ended = b"", 0, False
        self._line, self._counted = 1, 0

    @property
    def line(self) -> int:
        """The number of the line that is looked at."""
        self._line += self._text.count(b"\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Match at this position, in the bytes that are in memory. See ``look``."""
        return pattern.match(self._text, self._at)

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Match here and go behind the match."""
        if found := self.match(pattern):
            self._at = found.end()
        return found

    def require(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Match at the current position, reading as far as needed, and move after the match."""
        while not (found := self.take(pattern)):
            if len(self._text) - self._at > MAX_TOKEN_BYTES:
                raise SourceError(f"The dump cannot be read: {what} is not well formed, or over 64 MiB long")
            if not self._more():
                raise SourceError(
                    f"The dump cannot be read: it ends within {what}, or that is not well formed"
                )
        return found

    def look(self, length: int) -> bool:
        """Load ``length`` bytes from here into memory, or all that remain. Return whether there are any."""
        while len(self._text) - self._at < length and self._more():
            pass
        return self._at < len(self._text)

    def skip_line(self) -> None:
        """Go to the next line."""
        while (end := self._text.find(b"\n", self._at)) < 0:
            self._at = len(self._text)
            if not self._more():
                return
        self._at = end + 1

    def skip_statement(self) -> None:
        """Move after the semicolon that ends the statement, also if its texts are long."""
        while True:
            self.take(_OUTSIDE)
            if not self.look(3):
                raise SourceError("The dump is not whole: it ends within a statement")
            character = self._text[self._at : self._at + 1]
            if self.match(_LINE_COMMENT):
                self.skip_line()
            elif self._text.startswith(b"/*", self._at):
                self._skip_to(b"*/", "a comment")
            else:
                self._at += 1
                if character == b";":
                    return
                if character in _INSIDE:
                    self._skip_text(character)

    def _skip_to(self, end: bytes, what: str) -> None:
        while (found := self._text.find(end, self._at)) < 0:
            self._at = max(self._at, len(self._text) - len(end) + 1)
            if not self._more():
                raise SourceError(f"The dump is not whole: it ends within {what}")
        self._at = found + len(end)

    def _skip_text(self, quote: bytes) -> None:
        # A doubled quote ends one text and begins another, which has the same end.
        while True:
            self.take(_INSIDE[quote])
            if self._text.startswith(quote, self._at):
                self._at += 1
                return
            if not self._more():
                raise SourceError("The dump is not whole: it ends within a text")

    def _more(self) -> bool:
        """Read on: twice as far, because otherwise a long row would be read again and again."""
        if self._ended:
            return False
        chunk = self._stream.read(max(CHUNK, len(self._text) - self._at))
        self._line, self._counted = self.line, 0
        self._text = self._text[self._at :] + chunk
        self._at = 0
        self._ended = not chunk
        return bool(chunk)
