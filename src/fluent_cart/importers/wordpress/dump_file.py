"""Opens a dump, compressed or not, and reads it."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fluent_cart.importers.wordpress.dump_parser import Dump
from fluent_cart.importers.wordpress.source_tables import Item, SourceError

# Called with how much of the source has been read, and how much there is.
Progress = Callable[[int, int], None]


def read_dump(
    path: Path, prefix: str | None, progress: Progress, charset: str | None = None
) -> Iterator[tuple[str, Item]]:
    """Yield the rows of every table that may be one to import, each with its table's full name.

    A change of the whole table stands between the rows, in the order of the dump. ``SourceError`` if the dump
    cannot be read, or ends too early.
    """
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError("The dump is in UTF-16, as PowerShell's > writes; make it with --result-file")
        size = path.stat().st_size
        stream = _Watched(file, magic == b"\x1f\x8b", lambda: progress(file.tell(), size))
        try:
            yield from Dump(stream, prefix, charset).items()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise SourceError("The dump is not whole: its compressed data is cut off or damaged") from None


class _Watched:
    """A file, unpacked if it has to be, that reports each look into it."""

    def __init__(self, file: IO[bytes], is_packed: bool, report: Callable[[], None]) -> None:
        self._stream = gzip.GzipFile(fileobj=file) if is_packed else file
        self._report = report

    def read(self, length: int) -> bytes:
        data = self._stream.read(length)
        self._report()
        return data
