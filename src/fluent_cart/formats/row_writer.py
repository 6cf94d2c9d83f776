"""Write records as CSV (RFC 4180, safe to open in a spreadsheet) or NDJSON, whole or in pieces."""

import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import orjson

from fluent_cart.enums import FileFormat
from fluent_cart.formats.csv_cells import to_cell

# Bytes: large enough for few pieces, small enough that many pieces can wait.
PIECE = 64 * 1024
Pieces = Generator[bytes, None, None]
# A function that is called with the number of lines of each piece.
OnLines = Callable[[int], None]


def to_lines(
    file_format: FileFormat, columns: Sequence[str], records: Iterable[dict[str, Any]]
) -> Iterator[bytes]:
    """Yield each record as a line with its end. The first line of CSV has the names of the columns."""
    if file_format is FileFormat.NDJSON:
        for record in records:
            yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    else:
        writer: Any = csv.writer(_Lines())
        yield writer.writerow(columns)
        for record in records:
            yield writer.writerow([to_cell(record[column]) for column in columns])


class _Lines:
    """A stream for the CSV writer that returns the written text."""

    def write(self, line: str) -> bytes:
        return line.encode()


def to_csv(columns: Sequence[str], records: Iterable[dict[str, Any]]) -> str:
    """Return the records as one text."""
    return b"".join(to_lines(FileFormat.CSV, columns, records)).decode()


def in_pieces(lines: Iterable[bytes], on_lines: OnLines = lambda _: None) -> Pieces:
    """Join the lines to pieces of a useful size."""
    piece, number = bytearray(), 0
    for line in lines:
        piece += line
        number += 1
        if len(piece) >= PIECE:
            on_lines(number)
            yield bytes(piece)
            piece.clear()
            number = 0
    if piece:
        on_lines(number)
        yield bytes(piece)
