"""Read a dump as the dumpers of MySQL and MariaDB write it, row by row, without a database server.

A statement that could change a table of the shop is read as the server would run it, or the import stops.
"""

import re
from collections.abc import Callable

from fluent_cart.importers.wordpress.buffered_reader import BufferedReader, Stream
from fluent_cart.importers.wordpress.dump_tables import DumpTables, Items
from fluent_cart.importers.wordpress.dump_wholeness import Wholeness
from fluent_cart.importers.wordpress.source_tables import SourceError
from fluent_cart.importers.wordpress.sql_charsets import Charset
from fluent_cart.importers.wordpress.sql_names import until

_BOM = re.compile(rb"\xef\xbb\xbf")
# The end of a comment with code in it, at the place of a statement's end.
_BLANK = re.compile(rb"(?:[\s;]|\*/)+")
_LINE_COMMENT = re.compile(rb"(?:--(?:\s|\Z)|#)[^\n]*")
# No server has the version 999999, so its code is a comment for every server.
_COMMENT = re.compile(rb"/\*(?!M?!)|/\*M?!999999")
_WHOLE_COMMENT = re.compile(rb"/\*.*?\*/", re.S)
_CODE_IN_COMMENT = re.compile(rb"/\*M?!\d*\s*")
_DELIMITER = re.compile(rb"DELIMITER[ \t]+(\S+)[^\n]*", re.I)
_WORD = re.compile(rb"[A-Za-z]+:?")
# Statements that change no row and no column of a table.
_HARMLESS = ["ANALYZE", "CHANGE", "CHECK", "FLUSH", "GRANT", "OPTIMIZE", "REPAIR", "REVOKE", "SELECT", "SHOW"]
_ENDED_LATER = ["BEGIN", "COMMIT", "LOCK", "START", "UNLOCK"]
_OPAQUE = ["CALL", "EXECUTE", "PREPARE", "ROLLBACK", "SOURCE"]


class Dump:
    """The statements of a dump. The first word selects the way to read each of them."""

    def __init__(self, stream: Stream, prefix: str | None, charset: str | None = None) -> None:
        self._window = BufferedReader(stream)
        self._whole = Wholeness()
        self._charset = Charset(charset)
        self._tables = tables = DumpTables(self._window, prefix, self._charset)
        self._readers: dict[str, Callable[[], Items]] = {
            "CREATE": tables.create,
            "DROP": tables.drop,
            "INSERT": tables.insert,
            "REPLACE": tables.insert,
            "DELETE": tables.empty,
            "TRUNCATE": tables.empty,
            "ALTER": tables.alter,
            "USE": tables.use,
            "SET": self._set,
            **dict.fromkeys(("UPDATE", "RENAME", "LOAD"), tables.change),
            **dict.fromkeys(_ENDED_LATER, self._note),
            **dict.fromkeys(_HARMLESS, tables.skip),
        }

    def items(self) -> Items:
        """Yield the rows of every table that may be imported, and the changes of whole tables."""
        try:
            self._window.look(4)
            self._window.take(_BOM)
            while self._find_statement():
                yield from self._reader()()
            self._whole.require()
        except SourceError as error:
            raise SourceError(f"Line {self._tables.line}: {error}") from None
        self._tables.require_readable()

    def _find_statement(self) -> bool:
        """Go to the next statement, past white space and comments. Return whether there is one."""
        window = self._window
        while window.look(4096):
            self._tables.line = window.line
            if window.take(_BLANK):
                continue
            if found := window.match(_LINE_COMMENT):
                self._whole.note_comment(found[0])
                window.skip_line()
            elif window.match(_COMMENT):
                self._whole.note_comment(window.require(_WHOLE_COMMENT, "a comment")[0])
            elif window.take(_CODE_IN_COMMENT):
                continue
            elif found := window.take(_DELIMITER):
                self._skip_delimited(found[1])
            else:
                return True
        return False

    def _reader(self) -> Callable[[], Items]:
        found = self._window.match(_WORD)
        word = found[0].decode() if found else ""
        _refuse_opaque(word.upper())
        if word.upper() not in self._readers:
            raise SourceError(f"The dump has text that is not SQL: {word!r} .... Make it without 2>&1")
        return self._readers[word.upper()]

    def _note(self) -> Items:
        self._whole.note_statement(self._tables.statement())
        yield from ()

    def _set(self) -> Items:
        """Store the settings that decide how texts are written."""
        statement = self._tables.statement("a setting")
        self._whole.note_statement(statement)
        if b"NO_BACKSLASH_ESCAPES" in statement.upper():
            raise SourceError("The dump was made with NO_BACKSLASH_ESCAPES. Make one without it")
        self._charset.set(statement)
        yield from ()

    def _skip_delimited(self, delimiter: bytes) -> None:
        """Skip triggers and procedures, which have a delimiter of their own. Rows never have one."""
        window = self._window
        while delimiter != b";":
            while window.look(4096) and window.take(_BLANK):
                pass
            self._tables.line = window.line
            if found := window.take(_DELIMITER):
                delimiter = found[1]
            elif not window.look(1):
                raise SourceError("The dump is not whole: its delimiter never becomes ; again")
            else:
                what = f"a statement that ends with {delimiter.decode()}"
                _refuse_opaque(self._tables.judge(window.require(until(delimiter), what)[1]))


def _refuse_opaque(word: str) -> None:
    if word in _OPAQUE:
        raise SourceError(
            f"{word} may change rows that the dump does not show. Make a dump that only inserts rows"
        )
