"""Store the source's tables in a temporary database, where they can be joined and sorted.

A dump has its tables in any order, and may be larger than memory. The file is SQLite's own: it has no name,
and is deleted with the process.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.report import Report
from fluent_cart.importers.wordpress.source_tables import (
    KINDS,
    OPTIONAL,
    Absent,
    Change,
    Item,
    RefuseRepeated,
    Row,
    SourceError,
    find_prefix,
    kind_of,
    network_prefix,
)
from fluent_cart.importers.wordpress.staged_table import StagedTable

BATCH = 1000

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
CREATE TABLE imported (kind TEXT, id INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
-- The customers that were merged here, and those that have what they had.
CREATE TABLE merged (id INTEGER PRIMARY KEY, survivor_id INTEGER);
CREATE TABLE totals (id INTEGER PRIMARY KEY, number INTEGER, spent INTEGER, first TEXT, last TEXT);
"""


class Staging:
    """A temporary database with the source's tables, under the names of ``tables.KINDS``."""

    def __init__(self, *, repair_text: bool = False) -> None:
        self._repair_text = repair_text
        self._connection = sqlite3.connect("", isolation_level=None)
        # Nothing is ever rolled back.
        self._connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        self._tables: dict[str, StagedTable] = {}
        self._begun = 0
        # The columns that the source does not have, by the kind of their table.
        self.absent: dict[str, frozenset[str]] = {}
        self._missing: set[str] = set()

    def close(self) -> None:
        self._connection.close()

    def fill(self, rows: Iterable[tuple[str, Item]], prefix: str | None, report: Report) -> str:
        """Store all rows of a source, and return the prefix of the shop. A table may begin again."""
        for table, batch in _batches(rows):
            if isinstance(batch, list):
                self._table(table, prefix).insert(batch, repair_text=self._repair_text)
            else:
                self._change(table, batch, prefix)
        self._refuse_repeated()
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
            # The other tables are not needed from here on.
            self.execute(f"ALTER TABLE {found.name} RENAME TO {kind.name}")
            if kind.name == "sitemeta":
                continue
            report.read(kind.name, found.read)
            report.skip(kind.name, DataIssue.NO_ID, number=found.without_id)
            report.skip(kind.name, DataIssue.REPEATED_ID, number=found.repeated)
            report.skip(kind.name, DataIssue.REPEATED, number=found.superseded)
            report.skip(kind.name, DataIssue.NOT_NEEDED, number=found.not_needed)
            issue = DataIssue.REPAIRED_TEXT if self._repair_text else DataIssue.TWICE_ENCODED
            for row_id in found.twice_encoded:
                report.note(kind.name, issue, row_id)
        self._connection.executescript(_PREPARED)
        return prefix

    def is_missing(self, kind: str) -> bool:
        """Return whether the source does not have the table. An empty table is not missing."""
        return kind in self._missing

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, parameters)

    def execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, parameters)

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the one value of a query, or None without a row."""
        row = self.execute(statement, parameters).fetchone()
        return row and row[0]

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query one by one."""
        cursor = self.execute(statement, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def claim(self, kind: str, key: Any, row_id: int) -> bool:
        """Return whether ``row_id`` is the first with ``key``."""
        self.execute("INSERT OR IGNORE INTO claims VALUES (?, ?, ?)", (kind, key, row_id))
        return bool(self.owner(kind, key) == row_id)

    def owner(self, kind: str, key: Any) -> Any:
        """Return the first row that claimed ``key``."""
        return self.value("SELECT id FROM claims WHERE kind = ? AND key = ?", (kind, key))

    def upsert(self, kind: str, ids: Iterable[int]) -> None:
        """Store the ids of imported rows, because other rows depend on them."""
        self.execute_many("INSERT OR IGNORE INTO imported VALUES (?, ?)", ((kind, row_id) for row_id in ids))

    def _table(self, table: str, prefix: str | None) -> StagedTable:
        # A dump of rows alone does not make its tables.
        return self._tables.get(table) or self._begin(table, prefix)

    def _change(self, table: str, change: Change | RefuseRepeated, prefix: str | None) -> None:
        if change is Change.EMPTY:
            self._begin(table, prefix)
        elif change is Change.DROP:
            self._drop(table)
        elif isinstance(change, RefuseRepeated):
            self._table(table, prefix).refusal = change
        else:
            self._table(table, prefix).repeated_ids = change

    def _refuse_repeated(self) -> None:
        for table in self._tables.values():
            if table.refusal and (table.repeated or table.superseded):
                raise SourceError(table.refusal.reason)

    def _begin(self, table: str, prefix: str | None) -> StagedTable:
        kind = kind_of(table, prefix)
        assert kind  # noqa: S101  # no source has rows of another table
        self._drop(table)
        self._begun += 1
        new = StagedTable(self._connection, kind, f"source_{self._begun}_{kind.name}")
        new.create()
        self._tables[table] = new
        return new

    def _drop(self, table: str) -> None:
        if old := self._tables.pop(table, None):
            old.drop()


def _batches(
    items: Iterable[tuple[str, Item]],
) -> Iterator[tuple[str, list[Row] | Change | RefuseRepeated]]:
    """Yield rows of one table together."""
    current, batch = "", list[Row]()
    for table, item in items:
        if batch and (not isinstance(item, tuple) or table != current or len(batch) == BATCH):
            yield current, batch
            batch = []
        current = table
        if isinstance(item, tuple):
            batch.append(item)
        else:
            yield table, item
    if batch:
        yield current, batch
