"""CSV or NDJSON -> the rows in it, each with the number of its line; a line that is none is told apart.

The files may be large and come from anywhere: a row at a time is in memory, and what cannot be read is an
error of its line, save a header that is not understood.
"""

import csv
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from typing import Any, BinaryIO, NamedTuple, TextIO

from fluent_cart.enums import FileFormat
from fluent_cart.errors import UnreadableBody
from fluent_cart.formats.csv_cells import from_cell
from fluent_cart.formats.strict_json import parse_json

# Characters; a customer may have many addresses, all in one cell.
MAX_CELL = 16 * 1024 * 1024
# European spreadsheets write semicolons.
DELIMITERS = ",;\t"
WHOLE_LINE = "line"

Faults = Mapping[str, list[str]]


class FileError(Exception):
    """The file as a whole cannot be read; the text says why."""


class Columns(NamedTuple):
    """What the columns of a file are called, and how their cells are read."""

    names: frozenset[str]
    # Their cells are JSON.
    json: frozenset[str] = frozenset()
    # An empty cell of these says nothing; one of the others is an empty text, or null.
    silent: frozenset[str] = frozenset()
    # They may be there, but are never read.
    ignored: frozenset[str] = frozenset()


class Line(NamedTuple):
    """What a line says, or why it cannot be read; ``number`` is that of its first line in the file."""

    number: int
    values: dict[str, Any]
    faults: Faults | None = None


def read_rows(stream: BinaryIO, file_format: FileFormat, columns: Columns) -> Iterator[Line]:
    """Give the rows of a file, without the columns that are ignored; ``FileError`` if the header is wrong."""
    return (_read_ndjson if file_format is FileFormat.NDJSON else _read_csv)(stream, columns)


def _read_ndjson(stream: BinaryIO, columns: Columns) -> Iterator[Line]:
    # By line feeds alone: a text may have other ends of lines within.
    for number, content in enumerate(stream, start=1):
        if not content.strip():
            continue
        try:
            row = parse_json(content.decode("utf-8-sig" if number == 1 else "utf-8"))
        except (UnicodeDecodeError, UnreadableBody):
            row = None
        if isinstance(row, dict):
            yield Line(number, {name: row[name] for name in row if name not in columns.ignored})
        else:
            yield Line(number, {}, {WHOLE_LINE: ["Must be a JSON object in UTF-8"]})


def _read_csv(stream: BinaryIO, columns: Columns) -> Iterator[Line]:
    csv.field_size_limit(MAX_CELL)
    # What is not UTF-8 is found in the cell that has it.
    text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _read_lines(text, columns)
    finally:
        # Else the stream, which is the caller's, would be closed with it.
        text.detach()


def _read_lines(text: TextIO, columns: Columns) -> Iterator[Line]:
    first = text.readline()
    header = next(csv.reader([first], delimiter=(mark := max(DELIMITERS, key=first.count))), [])
    _check_header(header, columns)
    rows = csv.reader(text, delimiter=mark, strict=True)
    while True:
        # The header is the first line, and a row with line feeds in its cells has several.
        number = rows.line_num + 2
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number, {}, {WHOLE_LINE: [f"Is not CSV: {error}"]})
            continue
        if len(cells) == len(header):
            yield _row(number, dict(zip(header, cells, strict=True)), columns)
        elif cells:
            yield Line(
                number, {}, {WHOLE_LINE: [f"Has {len(cells)} cells, but the header has {len(header)}"]}
            )


def _check_header(header: list[str], columns: Columns) -> None:
    if unknown := [name for name in header if name not in columns.names]:
        raise FileError(f"Unknown column {unknown[0][:60]!r}; known are {', '.join(sorted(columns.names))}")
    if len(set(header)) < len(header):
        raise FileError("A column is there twice")
    if not header:
        raise FileError("The file is empty: its first line must name the columns")


def _row(number: int, cells: dict[str, str], columns: Columns) -> Line:
    values: dict[str, Any] = {}
    faults = {}
    for name, cell in cells.items():
        if name in columns.ignored or (not cell and name in columns.silent):
            continue
        if name in columns.json:
            try:
                values[name] = parse_json(cell)
            except UnreadableBody:
                faults[name] = ["Must be JSON"]
        else:
            values[name] = from_cell(cell)
    return Line(number, values, faults or None)
