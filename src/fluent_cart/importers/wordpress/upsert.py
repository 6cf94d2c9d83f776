"""Store rows in a table. Missing rows are inserted, and different rows are changed on demand.

These are units of work: a batch is one transaction, and may be run again.

See docs/decisions.md#41-import-into-an-existing-shop.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, select

from fluent_cart.database.prepared import Record
from fluent_cart.importers.row_status import RowStatus, differences, status_of
from fluent_cart.models import Base
from fluent_cart.services.bulk_rows import insert_rows, update_rows

Complete = Callable[[Record, Record | None], Record]
# The columns that the source does not have, by the id of the row.
AbsentColumns = Mapping[int, Collection[str]]


@dataclass
class UpsertResult:
    """The results of the rows of a batch, by their ids."""

    statuses: dict[int, RowStatus] = field(default_factory=dict)
    # The columns in which a row differs from the stored one.
    differences: dict[int, set[str]] = field(default_factory=dict)
    # The id belongs to another row here.
    taken: list[int] = field(default_factory=list)


def stored_rows(connection: Connection, model: type[Base], rows: Iterable[Record]) -> dict[int, Record]:
    """Return the rows that have the same ids here."""
    table = model.__table__
    ids = [row["id"] for row in rows]
    found = connection.execute(select(table).where(table.c.id.in_(ids))).mappings()
    return {row["id"]: dict(row) for row in found}


class Identity(NamedTuple):
    """The columns that identify a row among those of the same id."""

    # A row is the same if one of these is equal.
    columns: Sequence[str]
    # If the source does not have one of those, a row is the same if all of these are equal.
    otherwise: Sequence[str] = ()

    def is_another(self, stored: Record, row: Record, absent: Collection[str] = ()) -> bool:
        """Return whether a row here only has the same id."""
        if any(stored[column] == row[column] for column in self.columns):
            return False
        if not self.otherwise or not any(column in absent for column in self.columns):
            return True
        return any(stored[column] != row[column] for column in self.otherwise)


def upsert(
    connection: Connection,
    model: type[Base],
    rows: Sequence[Record],
    stored: Mapping[int, Record],
    identity: Identity,
    *,
    update_existing: bool,
    writing: bool,
    absent: AbsentColumns,
    complete: Complete = lambda row, _stored: row,
) -> UpsertResult:
    """Import ``rows`` into the table of ``model``, and return the status of each.

    ``stored`` are the rows here with the same ids. Different ones are changed only if ``update_existing``.
    Nothing is written unless ``writing``. ``absent`` columns keep their values. ``complete`` adds values to a
    row that depend on the stored one.
    """
    outcome, new, changed = UpsertResult(), list[Record](), list[Record]()
    for row in rows:
        row_id, here = row["id"], stored.get(row["id"])
        if here is None:
            outcome.statuses[row_id] = RowStatus.WRITTEN
            new.append(complete(row, None))
        elif identity.is_another(here, row, absent[row_id]):
            outcome.taken.append(row_id)
        else:
            staying = {column: here[column] for column in absent[row_id] if column in row}
            wanted = complete({**row, **staying}, here)
            differs = differences(here, wanted)
            outcome.differences[row_id] = differs
            outcome.statuses[row_id] = status_of(here, differs, update_existing=update_existing)
            if differs and update_existing:
                changed.append(wanted)
    if writing:
        write(connection, model, new, changed)
    return outcome


def write(connection: Connection, model: type[Base], new: list[Record], changed: list[Record]) -> None:
    """Store new rows, and all columns of changed ones."""
    insert_rows(connection, model, new)
    update_rows(connection, model, changed)
