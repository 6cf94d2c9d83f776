"""One table of the source in the temporary database, and the issues of its rows."""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fluent_cart.importers.wordpress.source_tables import Absent, Change, Kind, RefuseRepeated, Row
from fluent_cart.importers.wordpress.sql_charsets import decoded_once
from fluent_cart.schemas.base import MAX_SAFE_INTEGER

# An id at the end of the range of a database would leave none for new rows.
MAX_IMPORTED_ID = MAX_SAFE_INTEGER
_ID = re.compile(r"\d{1,19}", re.ASCII)

# The user meta of WordPress that the import uses. The first key has a prefix of its own.
CAPABILITIES = "capabilities"
SHOP_ROLE, APPLICATION_PASSWORDS = "_fluent_cart_admin_role", "_application_passwords"
# The network meta of WordPress that the import uses.
SITE_ADMINS = "site_admins"


@dataclass
class StagedTable:
    """A table of the source, and its issues."""

    connection: sqlite3.Connection
    kind: Kind
    name: str
    read: int = 0
    without_id: int = 0
    repeated: int = 0
    # Rows that the source itself leaves out, because another row has the id.
    superseded: int = 0
    not_needed: int = 0
    # The ids of rows with a text that was encoded twice.
    twice_encoded: list[int] = field(default_factory=list)
    repeated_ids: Change = Change.REPORT_REPEATED
    refusal: RefuseRepeated | None = None
    # The places of the columns that some row has.
    present: set[int] = field(default_factory=set)

    def create(self) -> None:
        columns = ["id INTEGER PRIMARY KEY"]
        columns += [f"{column} INTEGER" for column in self.kind.numbers]
        columns += [f"{column} TEXT" for column in self.kind.texts]
        self.connection.execute(f"CREATE TABLE {self.name} ({', '.join(columns)})")

    def drop(self) -> None:
        self.connection.execute(f"DROP TABLE {self.name}")

    def absent(self) -> frozenset[str]:
        """Return the columns that no row has. A table without rows lacks none."""
        if not self.read:
            return frozenset()
        return frozenset(name for place, name in enumerate(self.kind.columns) if place not in self.present)

    def insert(self, rows: list[Row], *, repair_text: bool) -> None:
        """Store the rows that are needed, and count the others."""
        valid = [row for row in rows if is_id(row[0])]
        needed = [row for row in valid if is_needed(self.kind, row)]
        self.read += len(rows)
        self.present |= _present(rows)
        self.without_id += len(rows) - len(valid)
        self.not_needed += len(valid) - len(needed)
        for place, row in enumerate(needed):
            # In most rows every text is ASCII: one check for a row takes a third of one for each text.
            if "".join([each for each in row if isinstance(each, str)]).isascii():
                continue
            if (repaired := _repaired(row)) != row:
                self.twice_encoded.append(int(str(row[0])))
                needed[place] = repaired if repair_text else row
        repeated = len(needed) - self._store(needed)
        if self.repeated_ids is Change.REPORT_REPEATED:
            self.repeated += repeated
        else:
            self.superseded += repeated

    def _store(self, rows: list[Row]) -> int:
        """Return by how many rows the table has grown."""
        if self.repeated_ids is not Change.KEEP_LAST:
            return self._execute_many("INSERT OR IGNORE INTO", rows)
        last = {int(str(row[0])): row for row in rows}
        # The names are made of numbers and of names in this package.
        removal = f"DELETE FROM {self.name} WHERE id = ?"  # noqa: S608
        before = self.connection.total_changes
        self.connection.executemany(removal, ((row_id,) for row_id in last))
        removed = self.connection.total_changes - before
        return self._execute_many("INSERT INTO", last.values()) - removed

    def _execute_many(self, insert: str, rows: Iterable[Row]) -> int:
        values = ", ".join("?" * len(self.kind.columns))
        before = self.connection.total_changes
        self.connection.executemany(f"{insert} {self.name} VALUES ({values})", rows)
        return self.connection.total_changes - before


def _repaired(row: Row) -> Row:
    return tuple([decoded_once(each) or each if isinstance(each, str) else each for each in row])


def _present(rows: list[Row]) -> set[int]:
    """Return the indexes of the columns that one of the rows has."""
    places = range(len(rows[0]))
    lacking = {place for place in places if rows[0][place] is Absent.ABSENT}
    if lacking:
        lacking = {place for place in lacking if all(row[place] is Absent.ABSENT for row in rows)}
    return set(places) - lacking


def is_id(text: Any) -> bool:
    """Return whether a value names a row."""
    return text is not None and bool(_ID.fullmatch(str(text))) and 1 <= int(text) <= MAX_IMPORTED_ID


def is_needed(kind: Kind, row: Row) -> bool:
    """Return whether the import needs a row. Of WordPress's tables of keys it needs a few keys."""
    if kind.name == "usermeta":
        meta_key = str(row[2] or "")
        return meta_key in (SHOP_ROLE, APPLICATION_PASSWORDS) or meta_key.endswith(CAPABILITIES)
    return kind.name != "sitemeta" or row[1] == SITE_ADMINS
