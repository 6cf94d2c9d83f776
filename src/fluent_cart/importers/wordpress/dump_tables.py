"""The statements of a dump that create, change and fill tables."""

import re
from collections.abc import Iterator

from fluent_cart.importers.wordpress.buffered_reader import BufferedReader
from fluent_cart.importers.wordpress.source_tables import (
    CUSTOMERS,
    Change,
    Item,
    Kind,
    RefuseRepeated,
    SourceError,
    find_prefix,
    kind_of,
    require_columns,
)
from fluent_cart.importers.wordpress.sql_charsets import Charset
from fluent_cart.importers.wordpress.sql_definitions import changes_columns, columns_of, copies_rows
from fluent_cart.importers.wordpress.sql_literals import row_pattern, value
from fluent_cart.importers.wordpress.sql_names import NAME, STATEMENT, TABLE, name, tables_in

Items = Iterator[tuple[str, Item]]

_SPACE = re.compile(rb"\s+")
_FIRST_WORD = re.compile(rb"(?:\s|/\*M?!\d*|\*/)*([A-Za-z]*)")
_IF_NOT_EXISTS = rb"(?P<kept>IF\s+NOT\s+EXISTS\s+|/\*!\d*\s*IF\s+NOT\s+EXISTS\s*\*/\s*)?"
_CREATE = re.compile(
    rb"CREATE\s+(?:OR\s+REPLACE\s+)?(?P<temporary>TEMPORARY\s+)?TABLE\s+"
    + _IF_NOT_EXISTS
    + TABLE
    + rb"\s*(?P<list>\()?",
    re.I,
)
_TRIGGER = re.compile(rb"\bTRIGGER\b.*?\bON\s+" + TABLE, re.I | re.S)
_DROP = re.compile(rb"DROP\s+(?:TEMPORARY\s+)?(TABLE|DATABASE|SCHEMA)S?\s", re.I)
_INSERT = re.compile(
    rb"(?P<verb>INSERT|REPLACE)\s+(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY)\s+)?(?P<ignore>IGNORE\s+)?"
    rb"(?:INTO\s+)?" + TABLE,
    re.I,
)
# The columns, and VALUES or the text in its place.
_INSERT_COLUMNS = re.compile(rb"\s*(?:\(([^()]*)\))?\s*(VALUES?\s*(?=\()|\S)", re.I)
# The largest size of the names of all columns of a table, in bytes.
LONGEST_LIST = 64 * 1024
_EMPTY = re.compile(rb"(?:DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+" + TABLE + rb"\s*(?:\*/\s*)?;", re.I)
_ALTER = re.compile(rb"ALTER\s+(?:ONLINE\s+|IGNORE\s+)*TABLE\s+(?:IF\s+EXISTS\s+)?" + TABLE, re.I)
_USE = re.compile(rb"USE\s+(" + NAME + rb")", re.I)
_CHANGING = ["ALTER", "DELETE", "DROP", "INSERT", "LOAD", "RENAME", "REPLACE", "TRUNCATE", "UPDATE"]


class DumpTables:
    """The tables that a dump creates. Each reader of a statement yields the changes of these tables."""

    def __init__(self, window: BufferedReader, prefix: str | None, charset: Charset) -> None:
        # The number of the line at which the statement begins.
        self.line = 1
        self._window = window
        self._prefix = prefix
        self._charset = charset
        self._database: str | None = None
        self._columns: dict[str, list[str]] = {}
        # The existing tables, and the treatment of a row whose id exists already.
        self._there: dict[str, Change] = {}
        self._triggered: set[str] = set()
        # The tables of customers, each of one shop, with any prefix.
        self._shops: set[str] = set()
        # The reason why a table cannot be read. It counts if the table belongs to the shop.
        self._refused: dict[str, SourceError] = {}

    def require_readable(self) -> None:
        """Raise the reason why a table of the shop cannot be read. Tables of other plugins do not count."""
        if self._prefix is not None:
            find_prefix(self._shops, self._prefix)
        prefixes = [table.removesuffix(CUSTOMERS) for table in self._there if table.endswith(CUSTOMERS)]
        for table, error in self._refused.items():
            if not prefixes or any(kind_of(table, prefix) for prefix in prefixes):
                raise error

    def statement(self, what: str = "a statement") -> bytes:
        """Return the whole statement, and move after it."""
        return self._window.require(STATEMENT, what)[0]

    def skip(self) -> Items:
        self._window.skip_statement()
        yield from ()

    def change(self) -> Items:
        """Reject the tables that a statement names, because it may change their rows."""
        self._refuse_change(self.statement())
        yield from ()

    def judge(self, statement: bytes) -> str:
        """Reject the changes of a statement with a delimiter of its own. Return its first word."""
        found = _FIRST_WORD.match(statement)
        word = found[1].decode().upper() if found else ""
        if word in _CHANGING:
            self._refuse_change(statement)
        self._note_trigger(statement)
        return word

    def use(self) -> Items:
        if found := self._window.match(_USE):
            self._choose_database(found[1])
        yield from self.skip()

    def create(self) -> Items:
        found = self._window.match(_CREATE)
        if found is None:
            self._note_trigger(self.statement())
        elif kind := self._wanted(found):
            yield from self._create_table(name(found["table"]), kind, found)
        else:
            yield from self.skip()

    def drop(self) -> Items:
        found, statement = self._window.match(_DROP), self.statement()
        if found and found[1].upper() != b"TABLE" and self._there:
            raise SourceError("The dump removes a database whose tables it made. Make a dump of one database")
        if found:
            for table in tables_in(statement, self._prefix) & self._there.keys():
                del self._there[table]
                yield table, Change.DROP

    def empty(self) -> Items:
        """Read a DELETE or TRUNCATE: all rows are removed, or the table is rejected."""
        found = self._window.match(_EMPTY)
        if not found:
            yield from self.change()
            return
        if self._wanted(found):
            yield from self._begin(name(found["table"]))
        self._window.skip_statement()

    def alter(self) -> Items:
        found, statement = self._window.match(_ALTER), self.statement()
        if found and self._wanted(found) and changes_columns(statement[len(found[0]) :]):
            self._refuse_change(found[0])
        yield from ()

    def insert(self) -> Items:
        found = self._window.match(_INSERT)
        if not found or not (kind := self._wanted(found)):
            yield from self.skip()
            return
        self._window.take(_INSERT)
        self._window.look(LONGEST_LIST)
        table = name(found["table"])
        listed = self._window.require(_INSERT_COLUMNS, f"an INSERT into {table}")
        if table in self._triggered:
            self._refuse(table, f"A trigger may change the rows of {table}. Make a dump without triggers")
        if listed[2].upper().startswith(b"VALUE"):
            yield from self._treat_repeated(table, found)
            for item in self._rows(table, kind, listed[1]):
                yield table, item
        else:
            self._refuse(table, f"An INSERT into {table} has no VALUES. Make a dump that lists the rows")
            yield from self.skip()

    def _choose_database(self, database: bytes) -> None:
        chosen = name(database)
        if self._there and chosen != self._database:
            raise SourceError("The dump holds several databases. Make a dump of the shop's database only")
        self._database = chosen

    def _wanted(self, found: re.Match[bytes]) -> Kind | None:
        """Return the kind of the table that a statement names, or None for a table that is not imported."""
        table = name(found["table"])
        if table.endswith(CUSTOMERS):
            self._shops.add(table)
        kind = kind_of(table, self._prefix)
        if kind and found["database"]:
            self._choose_database(found["database"])
        return kind

    def _refuse(self, table: str, reason: object) -> None:
        self._refused.setdefault(table, SourceError(f"Line {self.line}: {reason}"))

    def _refuse_change(self, statement: bytes) -> None:
        found = _FIRST_WORD.match(statement)
        word = found[1].decode().upper() if found else ""
        for table in tables_in(statement, self._prefix):
            self._refuse(table, f"{word} changes {table}. Make a dump that only inserts rows")

    def _note_trigger(self, statement: bytes) -> None:
        if trigger := _TRIGGER.search(statement):
            self._triggered.add(name(trigger["table"]))

    def _create_table(self, table: str, kind: Kind, found: re.Match[bytes]) -> Items:
        definition = self.statement(f"the definition of {table}")
        if found["kept"] and table in self._there:
            return
        if not found["list"] or found["temporary"] or copies_rows(definition):
            self._refuse(table, f"{table} is made of another table. Make a dump that only inserts rows")
            return
        self._columns[table] = columns_of(definition)
        self._check_columns(table, kind, self._columns[table])
        yield from self._begin(table)

    def _begin(self, table: str) -> Items:
        self._there[table] = Change.REPORT_REPEATED
        yield table, Change.EMPTY

    def _check_columns(self, table: str, kind: Kind, columns: list[str]) -> None:
        try:
            require_columns(table, kind, columns)
        except SourceError as error:
            self._refuse(table, error)

    def _treat_repeated(self, table: str, insert: re.Match[bytes]) -> Items:
        change = Change.KEEP_FIRST if insert["ignore"] else Change.REPORT_REPEATED
        change = Change.KEEP_LAST if insert["verb"].upper() == b"REPLACE" else change
        if self._there.get(table, Change.REPORT_REPEATED) is not change:
            yield table, change
        self._there[table] = change

    def _rows(self, table: str, kind: Kind, listed: bytes | None) -> Iterator[Item]:
        """Yield the rows of one INSERT. ON DUPLICATE KEY after the rows rejects repeated ids."""
        columns = [name(each) for each in listed.split(b",")] if listed else self._columns.get(table)
        if columns is None:
            self._refuse(table, f"The dump cannot be read: it has rows of {table}, but not its columns")
            self._window.skip_statement()
            return
        self._check_columns(table, kind, columns)
        places = {column.lower(): place for place, column in enumerate(columns)}
        wanted = sorted(places[column] for column in kind.columns if column in places)
        # The group of each column's value. The last group is the text after the row.
        groups = [wanted.index(places[column]) if column in places else None for column in kind.columns]
        pattern, what, decode = row_pattern(len(columns), wanted), f"a row of {table}", self._charset.decode
        end = b","
        while end == b",":
            *found, end = self._row(pattern, what)
            yield tuple([kind.absent if group is None else value(found[group], decode) for group in groups])
        if end != b";":
            self._window.skip_statement()
            yield RefuseRepeated(
                f"Line {self.line}: ON DUPLICATE KEY changes a row of {table};"
                " make a dump that only inserts rows"
            )

    def _row(self, pattern: re.Pattern[bytes], what: str) -> tuple[bytes, ...]:
        try:
            return self._window.require(pattern, what).groups()
        except SourceError:
            self._window.take(_SPACE)
            raise
        finally:
            self.line = self._window.line
