"""Copy a whole shop from one database to another, in constant memory, with its ids."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, text

from fluent_cart.models import Base

BATCH = 2000
# Not copied, because the order of changes belongs to one database. Clients that sync read the copied shop
# from the start.
NOT_COPIED = ("customer_changes", "customer_change_log")

# Tables that triggers fill while another table is copied.
_FILLED_WITH = {"customers": ["customers_search"], "customer_addresses": ["customer_name_postcodes"]}
# Indexes of constraints, such as primary keys, stay.
_INDEXES = text(
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    " AND tablename = ANY(:tables) AND indexname NOT IN (SELECT conname FROM pg_constraint)"
)

# Called with the name of a table, its number of rows, and how many of them have just been copied.
Progress = Callable[[str, int, int], None]


class CopyError(Exception):
    """The shop cannot be copied. The text names the reason."""


def copy_shop(source: Connection, target: Connection, progress: Progress) -> dict[str, int]:
    """Copy every table and return its number of rows. Raise ``CopyError`` if the target has a shop already.

    The caller passes a snapshot of the source and a transaction on the target, both at the newest migration.
    """
    tables = [table for table in Base.metadata.sorted_tables if table.name not in NOT_COPIED]
    for table in tables:
        if target.scalar(select(table.c.id).limit(1)) is not None:
            raise CopyError(f"The target is not empty. It has rows in {table.name}")
    return {table.name: _copy_table(source, target, table, progress) for table in tables}


def _copy_table(source: Connection, target: Connection, table: Table, progress: Progress) -> int:
    total = source.scalar(select(func.count()).select_from(table)) or 0
    progress(table.name, total, 0)
    rows = source.execution_options(yield_per=BATCH).execute(select(table).order_by(table.c.id))
    with _without_indexes(target, table), _writer(target, table) as write:
        for batch in rows.partitions():
            write(batch)
            progress(table.name, total, len(batch))
    # No id is ever used twice.
    advance_sequence(target, table, _last_id(source, table))
    return total


@contextmanager
def _without_indexes(target: Connection, table: Table) -> Iterator[None]:
    """Drop PostgreSQL's indexes for the copy, because updating them row by row takes most of the time."""
    if not _is_postgresql(target):
        yield
        return
    tables = [table.name, *_FILLED_WITH.get(table.name, [])]
    indexes = target.execute(_INDEXES, {"tables": tables}).all()
    for name, _ in indexes:
        target.exec_driver_sql(f'DROP INDEX "{name}"')
    yield
    for _, definition in indexes:
        target.exec_driver_sql(definition)
    # Otherwise the first queries would be planned for an empty shop.
    target.exec_driver_sql(f"ANALYZE {', '.join(tables)}")


@contextmanager
def _writer(target: Connection, table: Table) -> Iterator[Callable[[Sequence[Row[Any]]], object]]:
    """Yield a function that stores rows.

    All rows are one statement for PostgreSQL: after each, a trigger counts its rows in the same few
    rows, and a transaction that changes a row a million times gets slower with each change.
    """
    if not _is_postgresql(target):
        yield lambda rows: target.execute(insert(table), [dict(row._mapping) for row in rows])
        return
    dialect = target.dialect
    binders = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in table.columns]
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    driver: Any = target.connection.driver_connection
    try:
        with driver.cursor().copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:

            def write(rows: Sequence[Row[Any]]) -> None:
                for row in rows:
                    values = zip(row, binders, strict=True)
                    copy.write_row([bind(value) if bind else value for value, bind in values])

            yield write
    except dialect.loaded_dbapi.Error as error:
        # Only the first line, because the other lines contain the row.
        raise CopyError(f"{table.name} could not be stored: {str(error).splitlines()[0]}") from None


def _is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def advance_sequence(target: Connection, table: Table, last: int) -> None:
    """Keep the target from using an id up to ``last``, or an id that it used before."""
    if last <= _last_id(target, table):
        return
    if _is_postgresql(target):
        target.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))
    else:
        target.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        target.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"),
            {"name": table.name, "last": last},
        )


def _last_id(connection: Connection, table: Table) -> int:
    """Return the highest id that the table ever used, deleted rows included."""
    if _is_postgresql(connection):
        # The schema, never a caller, defines the sequence's name.
        sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, "id")))
        last = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        return int(connection.scalar(last) or 0)
    given = connection.scalar(
        text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
    )
    return int(given or 0)
