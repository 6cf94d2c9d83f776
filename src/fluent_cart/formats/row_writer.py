"""Records -> CSV (RFC 4180, safe to open in a spreadsheet) or NDJSON, as a whole or in pieces."""

import csv
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import orjson

from fluent_cart.enums import FileFormat
from fluent_cart.formats.csv_cells import to_cell

# Bytes: large enough to make pieces cheap, small enough that many pieces can wait.
PIECE = 64 * 1024
Pieces = Generator[bytes, None, None]
# Gets the number of lines of each piece.
OnLines = Callable[[int], None]


def to_lines(
    file_format: FileFormat, columns: Sequence[str], records: Iterable[dict[str, Any]]
) -> Iterator[bytes]:
    """Give each record as a line that ends; CSV begins with one of the columns' names."""
    if file_format is FileFormat.NDJSON:
        for record in records:
            yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    else:
        writer: Any = csv.writer(_Lines())
        yield writer.writerow(columns)
        for record in records:
            yield writer.writerow([to_cell(record[column]) for column in columns])


class _Lines:
    """Where the writer of CSV writes to: it answers with what it was given."""

    def write(self, line: str) -> bytes:
        return line.encode()


def to_csv(columns: Sequence[str], records: Iterable[dict[str, Any]]) -> str:
    """Return the records as one text."""
    return b"".join(to_lines(FileFormat.CSV, columns, records)).decode()


def in_pieces(lines: Iterable[bytes], on_lines: OnLines = lambda _: None) -> Pieces:
    """Give the lines in pieces that are worth sending."""
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
