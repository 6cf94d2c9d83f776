"""Read CSV or NDJSON as rows with line numbers. Lines that cannot be read are returned with their errors.

Files may be large and come from any source. Only one row at a time is in memory. An unreadable line is an
error of this line, except for the header.
"""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from typing import Any, BinaryIO, NamedTuple, TextIO

from fluent_cart.enums import FileFormat
from fluent_cart.errors import UnreadableBody
from fluent_cart.formats.csv_cells import from_cell
from fluent_cart.formats.strict_json import parse_json

# A limit in characters. A customer may have many addresses, all in one cell.
MAX_CELL = 16 * 1024 * 1024
# The separators. European spreadsheets write semicolons.
DELIMITERS = ",;\t"
WHOLE_LINE = "line"
UTF_16 = (BOM_UTF16_LE, BOM_UTF16_BE)
# The line that Excel writes and reads before the header.
_SEPARATOR = re.compile(r'"?sep=([^\w"\r\n])"?[;,\t]*\r?\n?', re.I)

FieldErrors = Mapping[str, list[str]]


class FileError(Exception):
    """The file as a whole cannot be read. The text names the reason."""


class Columns(NamedTuple):
    """The names of a file's columns, and the ways to read their cells."""

    names: frozenset[str]
    # Columns whose cells are JSON.
    json: frozenset[str] = frozenset()
    # Columns whose empty cells mean no value. In other columns, an empty cell is an empty text or null.
    silent: frozenset[str] = frozenset()
    # Columns that are allowed but ignored.
    ignored: frozenset[str] = frozenset()


class Line(NamedTuple):
    """The content of a line, or its errors. ``number`` is that of its first line in the file."""

    number: int
    values: dict[str, Any]
    errors: FieldErrors | None = None
    # Number of lines of the file that could not be separated.
    lines: int = 1


def read_rows(stream: BinaryIO, file_format: FileFormat, columns: Columns) -> Iterator[Line]:
    """Yield the rows of a file, without the ignored columns. Raise ``FileError`` if the header is wrong."""
    return (_read_ndjson if file_format is FileFormat.NDJSON else _read_csv)(stream, columns)


def _is_utf_16(stream: BinaryIO) -> bool:
    """Return whether a file begins with the byte order mark of UTF-16, without reading on."""
    if not stream.seekable():
        peek = getattr(stream, "peek", lambda _length: b"")
        return peek(2)[:2] in UTF_16
    start = stream.tell()
    mark = stream.read(2)
    stream.seek(start)
    return mark in UTF_16


def _read_ndjson(stream: BinaryIO, columns: Columns) -> Iterator[Line]:
    if _is_utf_16(stream):
        raise FileError("The file is in UTF-16, but NDJSON is UTF-8. Write it in UTF-8")
    # Split by line feeds only, because a text may contain other line ends.
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
    if _is_utf_16(stream):
        text = TextIOWrapper(stream, "utf-16", newline="")
    else:
        # Bytes that are not UTF-8 are reported with their cell.
        text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _read_lines(text, columns)
    except UnicodeDecodeError:
        raise FileError("The file is in UTF-16, but not all of it. Write it in UTF-8") from None
    finally:
        # Otherwise the caller's stream would be closed, too. After Ctrl-C it is closed already.
        if not stream.closed:
            text.detach()


def _read_lines(text: TextIO, columns: Columns) -> Iterator[Line]:
    first, before = text.readline(), 1
    mark = max(DELIMITERS, key=first.count)
    if separator := _SEPARATOR.fullmatch(first):
        mark, first, before = separator[1], text.readline(), 2
    header = next(csv.reader([first], delimiter=mark), [])
    _check_header(header, columns)
    rows = csv.reader(text, delimiter=mark, strict=True)
    while True:
        # A row with line feeds in its cells has several lines.
        number = rows.line_num + before + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield _no_row(number, rows.line_num + before, str(error))
            continue
        last = rows.line_num + before
        if len(cells) == len(header):
            yield _row(number, dict(zip(header, cells, strict=True)), columns)
        elif cells:
            words = f"Has {len(cells)} cells, but the header has {len(header)}"
            yield Line(number, {}, {WHOLE_LINE: [f"{words}{_up_to(number, last)}"]})


def _no_row(number: int, last: int, error: str) -> Line:
    """Return the error of lines that are not a row. An unclosed quote includes all lines after it."""
    if last > number and error == "unexpected end of data":
        error = f"lines {number} to {last} are one row, because a quote is not closed"
    else:
        error += _up_to(number, last)
    return Line(number, {}, {WHOLE_LINE: [f"Is not CSV: {error}"]}, last - number + 1)


def _up_to(number: int, last: int) -> str:
    return f" (lines {number} to {last})" if last > number else ""


def _check_header(header: list[str], columns: Columns) -> None:
    if not header:
        raise FileError("The file is empty. Its first line must name the columns")
    if unknown := sorted(columns.ignored - columns.names - set(header)):
        raise FileError(f"--ignore: there is no column {unknown[0]}")
    kept = [name for name in header if name not in columns.ignored]
    if unknown := [name for name in kept if name not in columns.names]:
        words = f"Unknown column{'s' if len(unknown) > 1 else ''} {', '.join(repr(n[:60]) for n in unknown)}"
        raise FileError(
            f"{words}. Use {', '.join(sorted(columns.names))}, or leave the column out with --ignore"
        )
    if len(set(kept)) < len(kept):
        raise FileError("A column is there twice")


def _row(number: int, cells: dict[str, str], columns: Columns) -> Line:
    values: dict[str, Any] = {}
    errors = {}
    for name, cell in cells.items():
        if name in columns.ignored or (not cell and name in columns.silent):
            continue
        if name in columns.json:
            try:
                values[name] = parse_json(cell)
            except UnreadableBody:
                errors[name] = ["Must be JSON"]
        else:
            values[name] = from_cell(cell)
    return Line(number, values, errors or None)
