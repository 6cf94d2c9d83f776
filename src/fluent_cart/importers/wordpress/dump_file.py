"""Open a dump, compressed or not, and read it."""

from collections.abc import Callable, Iterator

from fluent_cart.formats.input_file import InputFile, InputFileError, open_input
from fluent_cart.importers.wordpress.dump_parser import Dump
from fluent_cart.importers.wordpress.source_tables import Item, SourceError

# Called with the number of bytes that were read, and the size of the source.
Progress = Callable[[int, int], None]
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_dump(
    path: str, prefix: str | None, progress: Progress, charset: str | None = None
) -> Iterator[tuple[str, Item]]:
    """Yield the rows of every table that may be imported, each with its table's full name.

    ``-`` is standard input. A change of the whole table stands between the rows, in the order of the dump.
    Raise ``SourceError`` if the dump cannot be read, or ends too early.
    """
    try:
        with open_input(path) as file:
            if file.stream.peek(2)[:2] in _UTF_16:
                raise SourceError(
                    "The dump is in UTF-16, as PowerShell's > writes. Make it with --result-file"
                )
            yield from Dump(_ProgressStream(file, progress), prefix, charset).items()
    except InputFileError as error:
        raise SourceError(str(error)) from None


class _ProgressStream:
    """A file that reports each read."""

    def __init__(self, file: InputFile, progress: Progress) -> None:
        self._file, self._progress = file, progress

    def read(self, length: int) -> bytes:
        data = self._file.stream.read(length)
        self._progress(self._file.position(), self._file.size)
        return data
