"""The source's tables side by side in a temporary database, where they can be joined and sorted.

A dump has its tables in any order, and may be larger than memory. The file is SQLite's own: it has no name,
and is gone with the process, however that ends.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.report import Report
from fluent_cart.importers.wordpress.source_tables import (
    KINDS,
    OPTIONAL,
    Absent,
    Kind,
    Row,
    find_prefix,
    kind_of,
    network_prefix,
)

BATCH = 1000
# An id at the very end of what a database can count would leave none for new rows.
MAX_ID = 2**53
_ID = re.compile(r"\d{1,19}", re.ASCII)

# Of the many things that WordPress keeps of a user, these matter; the first is behind a prefix of its own.
CAPABILITIES = "capabilities"
SHOP_ROLE, APPLICATION_PASSWORDS = "_fluent_cart_admin_role", "_application_passwords"
# Of what WordPress keeps of a network of sites, only this matters.
SITE_ADMINS = "site_admins"

sqlite3.register_adapter(Absent, lambda _absent: None)

_PREPARED = """
CREATE INDEX addresses_of ON customer_addresses (customer_id);
CREATE INDEX meta_of ON customer_meta (customer_id);
CREATE INDEX orders_of ON orders (customer_id);
CREATE INDEX labels_of ON label_relationships (labelable_id);
CREATE INDEX usermeta_of ON usermeta (user_id);
-- What is decided on the way: who owns what only one can have, which rows come along, what customers spent.
CREATE TABLE emails (kind TEXT, id INTEGER, email TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE claims (kind TEXT, key, id INTEGER, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE brought (kind TEXT, id INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE totals (id INTEGER PRIMARY KEY, number INTEGER, spent INTEGER, first TEXT, last TEXT);
"""


class Staging:
    """A temporary database with the source's tables, under the names that ``tables.KINDS`` gives them."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        # Nothing is ever rolled back.
        self._connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        self._tables: dict[str, _Table] = {}
        # The columns that the source does not have, by the kind of their table: they say nothing.
        self.absent: dict[str, frozenset[str]] = {}
        self._missing: set[str] = set()

    def close(self) -> None:
        self._connection.close()

    def fill(self, rows: Iterable[tuple[str, Row | None]], prefix: str | None, report: Report) -> str:
        """Take in all rows of a source and return the prefix of the shop; a table may begin anew."""
        for table, batch in _batches(rows):
            if batch is None:
                self._begin(table, prefix)
            else:
                # A dump of rows alone does not make its tables.
                self._insert(self._tables.get(table) or self._begin(table, prefix), batch)
        prefix = find_prefix(self._tables, prefix)
        for suffix, kind in KINDS.items():
            names = (prefix + suffix, network_prefix(prefix) + suffix)
            name = next((name for name in names if name in self._tables), None)
            found = self._tables[name] if name else self._begin(names[0], prefix)
            self.absent[kind.name] = frozenset(kind.columns) if name is None else found.absent()
            if name is None:
                self._missing.add(kind.name)
                report.missing += [] if kind.name in OPTIONAL else [names[0]]
            else:
                lacking = [column for column in kind.columns if column in self.absent[kind.name] - OPTIONAL]
                report.missing_columns += [f"{name}.{column}" for column in lacking]
            # The others are of no interest from here on.
            self.execute(f"ALTER TABLE {found.name} RENAME TO {kind.name}")
            if kind.name == "sitemeta":
                continue
            report.read(kind.name, found.read)
            report.skip(kind.name, DataIssue.NO_ID, number=found.without_id)
            report.skip(kind.name, DataIssue.REPEATED_ID, number=found.repeated)
            report.skip(kind.name, DataIssue.NOT_NEEDED, number=found.not_needed)
        self._connection.executescript(_PREPARED)
        return prefix

    def is_missing(self, kind: str) -> bool:
        """Tell whether the source has no such table; an empty one is not missing."""
        return kind in self._missing

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, parameters)

    def execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, parameters)

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the one value that a query has, None if it has no row."""
        row = self.execute(statement, parameters).fetchone()
        return row and row[0]

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
        """Give the rows of a query one by one."""
        cursor = self.execute(statement, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def claim(self, kind: str, key: Any, row_id: int) -> bool:
        """Tell whether ``row_id`` is the first to ask for ``key``, or has it already."""
        self.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", (kind, key, row_id))
        return bool(self.owner(kind, key) == row_id)

    def owner(self, kind: str, key: Any) -> Any:
        """Return who was the first to ask for ``key``."""
        return self.value("SELECT id FROM claims WHERE kind = ? AND key = ?", (kind, key))

    def upsert(self, kind: str, ids: Iterable[int]) -> None:
        """Remember which rows come along, because others depend on them."""
        self.execute_many("INSERT OR IGNORE INTO brought VALUES (?, ?)", ((kind, row_id) for row_id in ids))

    def is_imported(self, kind: str, row_id: int) -> bool:
        return bool(self.value("SELECT 1 FROM brought WHERE kind = ? AND id = ?", (kind, row_id)))

    def _begin(self, table: str, prefix: str | None) -> "_Table":
        kind = kind_of(table, prefix)
        assert kind  # noqa: S101  # no source gives a row of another table
        if old := self._tables.get(table):
            self.execute(f"DROP TABLE {old.name}")
        new = self._tables[table] = _Table(kind, f"source_{len(self._tables)}_{kind.name}")
        columns = ["id INTEGER PRIMARY KEY"]
        columns += [f"{column} INTEGER" for column in kind.numbers]
        columns += [f"{column} TEXT" for column in kind.texts]
        self.execute(f"CREATE TABLE {new.name} ({', '.join(columns)})")
        return new

    def _insert(self, table: "_Table", rows: list[Row]) -> None:
        valid = [row for row in rows if is_id(row[0])]
        needed = [row for row in valid if is_needed(table.kind, row)]
        values = ", ".join("?" * len(table.kind.columns))
        # The name is made of numbers and of names in this package.
        statement = f"INSERT OR IGNORE INTO {table.name} VALUES ({values})"  # noqa: S608
        before = self._connection.total_changes
        self._connection.executemany(statement, needed)
        table.read += len(rows)
        table.present |= _present(rows)
        table.without_id += len(rows) - len(valid)
        table.not_needed += len(valid) - len(needed)
        table.repeated += len(needed) - (self._connection.total_changes - before)


@dataclass
class _Table:
    """A table of the source, and what was found in it."""

    kind: Kind
    name: str
    read: int = 0
    without_id: int = 0
    repeated: int = 0
    not_needed: int = 0
    # The places of the columns that some row has.
    present: set[int] = field(default_factory=set)

    def absent(self) -> frozenset[str]:
        """Return the columns that no row has; a table without rows lacks none."""
        if not self.read:
            return frozenset()
        return frozenset(name for place, name in enumerate(self.kind.columns) if place not in self.present)


def _present(rows: list[Row]) -> set[int]:
    """Return the places of the columns that one of the rows has."""
    places = range(len(rows[0]))
    lacking = {place for place in places if rows[0][place] is Absent.ABSENT}
    if lacking:
        lacking = {place for place in lacking if all(row[place] is Absent.ABSENT for row in rows)}
    return set(places) - lacking


def is_id(text: Any) -> bool:
    """Tell whether a value names a row."""
    return text is not None and bool(_ID.fullmatch(str(text))) and 1 <= int(text) <= MAX_ID


def is_needed(kind: Kind, row: Row) -> bool:
    """Tell whether the import has a use for a row: of what WordPress keeps by keys, it has for a few."""
    if kind.name == "usermeta":
        meta_key = str(row[2] or "")
        return meta_key in (SHOP_ROLE, APPLICATION_PASSWORDS) or meta_key.endswith(CAPABILITIES)
    return kind.name != "sitemeta" or row[1] == SITE_ADMINS


def _batches(rows: Iterable[tuple[str, Row | None]]) -> Iterator[tuple[str, list[Row] | None]]:
    """Give rows of one table together."""
    current, batch = "", list[Row]()
    for table, row in rows:
        if batch and (row is None or table != current or len(batch) == BATCH):
            yield current, batch
            batch = []
        current = table
        if row is None:
            yield table, None
        else:
            batch.append(row)
    if batch:
        yield current, batch
