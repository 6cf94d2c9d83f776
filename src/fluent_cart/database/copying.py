"""Moves a whole shop from one database to another, in constant memory, ids kept."""

from collections.abc import Callable

from sqlalchemy import Connection, Table, func, insert, select, text

from fluent_cart.models import Base

BATCH = 2000

# Called with a table's name, how many rows it has, and how many of them have just been copied.
Progress = Callable[[str, int, int], None]


class CopyError(Exception):
    """The shop cannot be moved; the text says why."""


def copy_shop(source: Connection, target: Connection, progress: Progress) -> dict[str, int]:
    """Copy every table and return its number of rows; ``CopyError`` if the target holds a shop already.

    The caller gives a snapshot of the source and a transaction on the target, both at the newest migration.
    """
    tables = Base.metadata.sorted_tables
    for table in tables:
        if target.scalar(select(table.c.id).limit(1)) is not None:
            raise CopyError(f"The target is not empty: it has rows in {table.name}")
    return {table.name: _copy_table(source, target, table, progress) for table in tables}


def _copy_table(source: Connection, target: Connection, table: Table, progress: Progress) -> int:
    total = source.scalar(select(func.count()).select_from(table)) or 0
    progress(table.name, total, 0)
    rows = source.execution_options(yield_per=BATCH).execute(select(table).order_by(table.c.id))
    for batch in rows.mappings().partitions():
        target.execute(insert(table), [dict(row) for row in batch])
        progress(table.name, total, len(batch))
    _continue_ids(source, target, table)
    return total


def _continue_ids(source: Connection, target: Connection, table: Table) -> None:
    """Make the target give out the ids that the source would have given next: none is ever used twice."""
    last = _last_id(source, table)
    if target.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, "id")
        target.execute(select(func.setval(sequence, max(last, 1), last > 0)))
    elif last:
        target.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        target.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
            {"name": table.name, "last": last},
        )


def _last_id(connection: Connection, table: Table) -> int:
    """Return the highest id the table ever gave out, deleted rows included."""
    if connection.dialect.name == "postgresql":
        # The sequence's name comes from the schema, never from a caller.
        sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, "id")))
        last = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        return int(connection.scalar(last) or 0)
    given = connection.scalar(
        text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
    )
    return int(given or 0)
