"""Reads a dump as mariadb-dump, mysqldump and phpMyAdmin write it, row by row, without a database server.

Tables that are not wanted, triggers and procedures are passed over as text.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fluent_cart.importers.wordpress.buffered_reader import BufferedReader, Stream
from fluent_cart.importers.wordpress.source_tables import (
    CUSTOMERS,
    Kind,
    Row,
    SourceError,
    kind_of,
    require_columns,
)
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
_SAVED = re.compile(rb"@OLD_CHARACTER_SET_CLIENT\s*:?=", re.I)
_RESTORED = re.compile(rb"@OLD_CHARACTER_SET_CLIENT\b(?!\s*:?=)", re.I)
_START = re.compile(rb"(?:START\s+TRANSACTION|BEGIN)\b[^;]*;", re.I)
_COMMIT = re.compile(rb"COMMIT\b[^;]*;", re.I)
_LOCK = re.compile(rb"LOCK\s+TABLES?\s", re.I)
_UNLOCK = re.compile(rb"UNLOCK\s+TABLES?\b", re.I)
# What begins with one of these words changes no row of a shop's table, or no row that a dump has.
_PASSED_OVER = re.compile(
    rb"(?:ALTER|ANALYZE|BEGIN|CALL|CHANGE|COMMIT|CREATE|DELETE|DROP|FLUSH|GRANT|INSERT|LOCK|OPTIMIZE|RENAME|REPLACE|SELECT"
    rb"|SET|SHOW|START|TRUNCATE|UNLOCK|UPDATE|USE)\b",
    re.I,
)
_CHANGE = re.compile(
    rb"(UPDATE|LOAD\s+DATA|DELETE|TRUNCATE|RENAME)\s+(?:LOW_PRIORITY\s+|QUICK\s+|IGNORE\s+)*(?:FROM\s+|TABLES?\s+)?"
    + _TABLE,
    re.I,
)
_BEGINNING = re.compile(rb"[A-Za-z]+:?")
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)", re.I)
_SET = re.compile(rb"SET\s", re.I)
_STATEMENT = re.compile(rb"(?:" + _OUTSIDE + rb")*+;")
_USE = re.compile(rb"USE\s+(" + _NAME + rb")", re.I)
_IF_NOT_EXISTS = rb"(?P<kept>IF\s+NOT\s+EXISTS\s+|/\*!\d*\s*IF\s+NOT\s+EXISTS\s*\*/\s*)?"
_CREATE = re.compile(rb"CREATE\s+TABLE\s+" + _IF_NOT_EXISTS + _TABLE + rb"\s*\(", re.I)
_DROP = re.compile(rb"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?([^;]*);", re.I)
_DROPPED = re.compile(_TABLE + rb"\s*(?:,\s*|\Z|(?=\s))")
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
        self._window = BufferedReader(stream)
        self._prefix = prefix
        self._charset = "utf-8"
        self._database: str | None = None
        self._begun = self._completed = False
        self._columns: dict[str, list[str]] = {}
        # Tables that are made or have rows, and what is wrong with the columns of some.
        self._there: set[str] = set()
        self._filled: set[str] = set()
        # What the dump has begun and has to end.
        self._open: set[str] = set()
        self._lacking: dict[str, SourceError] = {}

    def rows(self) -> Iterator[tuple[str, Row | None]]:
        window = self._window
        window.look(4)
        window.take(_BOM)
        while self._find_statement():
            if found := window.match(_CREATE):
                table, is_kept = _name(found[2]), bool(found[1]) and _name(found[2]) in self._there
                if kind_of(table, self._prefix) and not is_kept:
                    self._columns[table] = self._definition(table)
                    self._there.add(table)
                    self._filled.discard(table)
                    self._check_columns(table, self._columns[table])
                    yield table, None
                    continue
            elif found := window.match(_INSERT):
                table = _name(found[1])
                if kind := kind_of(table, self._prefix):
                    window.take(_INSERT)
                    self._there.add(table)
                    self._filled.add(table)
                    for row in self._inserted(table, kind):
                        yield table, row
                    continue
            elif found := window.match(_DROP):
                self._there -= {_name(name[1]) for name in _DROPPED.finditer(found[1])}
            elif found := window.match(_USE):
                self._use(_name(found[1]))
            elif window.match(_SET):
                self._set(window.require(_STATEMENT, "a setting")[0])
                continue
            else:
                self._note_transaction()
            self._refuse_change()
            self._refuse_unknown()
            window.skip_statement()
        if self._begun and not self._completed:
            raise SourceError("The dump is not whole: its last line, 'Dump completed', is missing")
        if self._open:
            raise SourceError(f"The dump is not whole: {min(self._open)} is missing at its end")
        self._refuse_lacking()

    def _note_transaction(self) -> None:
        """Take note of what has to be ended before the dump ends."""
        for begin, end, what in ((_START, _COMMIT, "COMMIT"), (_LOCK, _UNLOCK, "UNLOCK TABLES")):
            if self._window.match(begin):
                self._open.add(what)
            elif self._window.match(end):
                self._open.discard(what)

    def _refuse_change(self) -> None:
        """Raise ``SourceError`` for a statement that changes rows which were given already."""
        found = self._window.match(_CHANGE)
        if found and (table := _name(found[2])) in self._filled:
            word = found[1].decode().upper()
            raise SourceError(
                f"The dump changes rows of {table} with {word}; make one that only inserts rows"
            )

    def _refuse_unknown(self) -> None:
        """Raise ``SourceError`` for text that is no SQL: it would take the statement behind it away."""
        if not self._window.match(_PASSED_OVER):
            word = self._window.match(_BEGINNING)
            text = word[0].decode() if word else "(no word)"
            raise SourceError(f"The dump has text that is no SQL: {text!r} …; make it without 2>&1")

    def _check_columns(self, table: str, columns: list[str]) -> None:
        """Keep what is wrong with a table's columns until it is known to be the shop's."""
        kind = kind_of(table, self._prefix)
        try:
            if kind:
                require_columns(table, kind, columns)
        except SourceError as error:
            self._lacking.setdefault(table, error)

    def _refuse_lacking(self) -> None:
        """Raise what is wrong with a table of the shop; tables of other plugins are passed over."""
        prefixes = [table.removesuffix(CUSTOMERS) for table in self._there if table.endswith(CUSTOMERS)]
        for table, error in self._lacking.items():
            if not prefixes or any(kind_of(table, prefix) for prefix in prefixes):
                raise error

    def _find_statement(self) -> bool:
        """Go to the next statement, past white space and comments; tell whether there is one."""
        window = self._window
        while window.look(4096):
            if window.take(_BLANK):
                continue
            if window.match(_LINE_COMMENT):
                self._begun = self._begun or bool(window.match(_BEGUN))
                self._completed = self._completed or bool(window.match(_COMPLETED))
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
        if _SAVED.search(statement):
            self._open.add("the old CHARACTER_SET_CLIENT")
        if _RESTORED.search(statement):
            self._open.discard("the old CHARACTER_SET_CLIENT")
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
        self._check_columns(table, columns)
        places = {column.lower(): place for place, column in enumerate(columns)}
        wanted = sorted(places[column] for column in kind.columns if column in places)
        # Where the value of each column is found; the last group of all is what follows the row.
        groups = [wanted.index(places[column]) if column in places else None for column in kind.columns]
        pattern, what, charset = row_pattern(len(columns), wanted), f"a row of {table}", self._charset
        end = b","
        while end == b",":
            *found, end = self._window.require(pattern, what).groups()
            yield tuple([kind.absent if group is None else value(found[group], charset) for group in groups])
        if end != b";":
            self._window.skip_statement()


def _name(name: bytes) -> str:
    return name.strip().strip(b'`"').replace(b"``", b"`").decode("utf-8", "replace")
