"""Reads a dump as mariadb-dump, mysqldump and phpMyAdmin write it, row by row, without a database server.

Tables that are not wanted, triggers and procedures are passed over as text.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fluent_cart.importers.wordpress.buffered_reader import Stream, Window
from fluent_cart.importers.wordpress.source_tables import Kind, Row, SourceError, kind_of, require_columns
from fluent_cart.importers.wordpress.sql_literals import TEXT, row_pattern, value

# Called with how much of the source has been read, and how much there is.
Progress = Callable[[int, int], None]

_NAME = rb"(?:`(?:[^`]|``)+`|\"[^\"]+\"|[0-9A-Za-z_$\x80-\xff]+)"
_TABLE = rb"(?:" + _NAME + rb"\s*\.\s*)?(" + _NAME + rb")"
_OUTSIDE = rb"[^'\"`;]++|" + TEXT + rb"|`[^`]*+`"

_BOM = re.compile(rb"\xef\xbb\xbf")
_BLANK = re.compile(rb"[\s;]+")
_LINE_COMMENT = re.compile(rb"--(?:\s|\Z)|#")
_COMMENT = re.compile(rb"/\*")
_WHOLE_COMMENT = re.compile(rb"/\*(.*?)\*/", re.S)
_BEGUN = re.compile(rb"-- (?:MariaDB|MySQL) dump ")
_COMPLETED = re.compile(rb"-- Dump completed")
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)", re.I)
_SET = re.compile(rb"SET\s", re.I)
_STATEMENT = re.compile(rb"(?:" + _OUTSIDE + rb")*+;")
_USE = re.compile(rb"USE\s+(" + _NAME + rb")", re.I)
_CREATE = re.compile(rb"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?" + _TABLE + rb"\s*\(", re.I)
_INSERT = re.compile(rb"(?:INSERT|REPLACE)\s+(?:\w+\s+)*?INTO\s+" + _TABLE, re.I)
_INSERT_COLUMNS = re.compile(rb"\s*(?:\(([^()]*)\))?\s*VALUES?\s*(?=\()", re.I)
_PART = re.compile(_OUTSIDE.replace(b";", b"(),") + rb"|[(),]", re.S)
_COLUMN = re.compile(rb"\s*(" + _NAME + rb")\s+\w")
_NO_COLUMN = re.compile(
    rb"\s*(?:PRIMARY|UNIQUE|KEY|INDEX|FULLTEXT|SPATIAL|CONSTRAINT|CHECK|FOREIGN|PERIOD)\b", re.I
)
_CHARSET = re.compile(rb"SET\s+NAMES\s+'?(\w+)", re.I)
_CHARSETS = {"utf8": "utf-8", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "latin1": "cp1252", "ascii": "ascii"}


def read_dump(path: Path, prefix: str | None, progress: Progress) -> Iterator[tuple[str, Row | None]]:
    """Give the rows of every table that may be one to import, each with its table's full name.

    A table itself comes before its rows, with None: it begins anew there. ``SourceError`` if the dump cannot
    be read, or ends too early.
    """
    with path.open("rb") as file:
        magic = file.read(2)
        file.seek(0)
        if magic in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError("The dump is in UTF-16, as PowerShell's > writes; make it with --result-file")
        size = path.stat().st_size
        stream = _Watched(file, magic == b"\x1f\x8b", lambda: progress(file.tell(), size))
        try:
            yield from _Dump(stream, prefix).rows()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise SourceError("The dump is not whole: its compressed data is cut off or damaged") from None


class _Watched:
    """A file, unpacked if it has to be, that tells of each look into it."""

    def __init__(self, file: IO[bytes], is_packed: bool, tell: Callable[[], None]) -> None:
        self._stream = gzip.GzipFile(fileobj=file) if is_packed else file
        self._tell = tell

    def read(self, length: int) -> bytes:
        data = self._stream.read(length)
        self._tell()
        return data


class _Dump:
    def __init__(self, stream: Stream, prefix: str | None) -> None:
        self._window = Window(stream)
        self._prefix = prefix
        self._charset = "utf-8"
        self._database: str | None = None
        self._begun = self._completed = False
        self._columns: dict[str, list[str]] = {}

    def rows(self) -> Iterator[tuple[str, Row | None]]:
        window = self._window
        window.look(4)
        window.take(_BOM)
        while self._find_statement():
            if found := window.match(_CREATE):
                table = _name(found[1])
                if kind := kind_of(table, self._prefix):
                    self._columns[table] = self._definition(table)
                    require_columns(table, kind, self._columns[table])
                    yield table, None
                    continue
            elif found := window.match(_INSERT):
                table = _name(found[1])
                if kind := kind_of(table, self._prefix):
                    window.take(_INSERT)
                    for row in self._inserted(table, kind):
                        yield table, row
                    continue
            elif found := window.match(_USE):
                self._use(_name(found[1]))
            elif window.match(_SET):
                self._set(window.require(_STATEMENT, "a setting")[0])
                continue
            window.skip_statement()
        if self._begun and not self._completed:
            raise SourceError("The dump is not whole: its last line, 'Dump completed', is missing")

    def _find_statement(self) -> bool:
        """Go to the next statement, past white space and comments; tell whether there is one."""
        window = self._window
        while window.look(4096):
            if window.take(_BLANK):
                continue
            if window.match(_LINE_COMMENT):
                self._begun = self._begun or bool(window.match(_BEGUN))
                self._completed = bool(window.match(_COMPLETED))
                window.skip_line()
            elif window.match(_COMMENT):
                text = window.require(_WHOLE_COMMENT, "a comment")[1]
                # /*! and MariaDB's /*M! are no comments for the server.
                if text.startswith((b"!", b"M!")):
                    self._set(text)
            elif found := window.match(_DELIMITER):
                self._skip_to_plain_delimiter(found)
            else:
                return True
        return False

    def _skip_to_plain_delimiter(self, found: re.Match[bytes]) -> None:
        """Pass over triggers and procedures, which have a delimiter of their own; data never has."""
        window = self._window
        while found[1] != b";":
            window.skip_line()
            if not window.look(4096):
                raise SourceError("The dump is not whole: its delimiter never becomes ; again")
            found = window.match(_DELIMITER) or found
        window.skip_line()

    def _set(self, statement: bytes) -> None:
        """Take note of the settings that decide how texts are written."""
        if b"NO_BACKSLASH_ESCAPES" in statement:
            raise SourceError("The dump was made with NO_BACKSLASH_ESCAPES; make one without it")
        if found := _CHARSET.search(statement):
            charset = found[1].decode().lower()
            if charset not in _CHARSETS:
                raise SourceError(f"The dump is in the character set {charset}; make one in utf8mb4")
            self._charset = _CHARSETS[charset]

    def _use(self, database: str) -> None:
        if self._columns and database != self._database:
            raise SourceError("The dump holds several databases; make one of the shop's database alone")
        self._database = database

    def _definition(self, table: str) -> list[str]:
        """Return the columns that CREATE TABLE names, in their order."""
        text = self._window.require(_STATEMENT, f"the definition of {table}")[0]
        parts, depth = [b""], 0
        for found in _PART.finditer(text, text.index(b"(") + 1):
            token = found[0]
            if token == b"," and not depth:
                parts.append(b"")
                continue
            depth += {b"(": 1, b")": -1}.get(token, 0)
            if depth < 0:
                break
            parts[-1] += token
        names = [_COLUMN.match(part) for part in parts if not _NO_COLUMN.match(part)]
        return [_name(found[1]) for found in names if found]

    def _inserted(self, table: str, kind: Kind) -> Iterator[Row]:
        """Give the rows of one INSERT; what an ON follows them with is passed over like a statement."""
        listed = self._window.require(_INSERT_COLUMNS, f"an INSERT into {table}")[1]
        columns = [_name(name) for name in listed.split(b",")] if listed else self._columns.get(table)
        if columns is None:
            raise SourceError(f"The dump cannot be read: it has rows of {table}, but not its columns")
        require_columns(table, kind, columns)
        places = {column.lower(): place for place, column in enumerate(columns)}
        wanted = sorted(places[column] for column in kind.columns if column in places)
        # Where the value of each column is found; the last group of all is what follows the row.
        groups = [wanted.index(places[column]) if column in places else None for column in kind.columns]
        pattern, what, charset = row_pattern(len(columns), wanted), f"a row of {table}", self._charset
        end = b","
        while end == b",":
            *found, end = self._window.require(pattern, what).groups()
            yield tuple([kind.absent if group is None else value(found[group], charset) for group in groups])


def _name(name: bytes) -> str:
    return name.strip().strip(b'`"').replace(b"``", b"`").decode("utf-8", "replace")
