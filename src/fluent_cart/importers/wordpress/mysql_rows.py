"""Read a live database of WordPress, MariaDB or MySQL, row by row, in one snapshot, without changing it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor
from sqlalchemy import URL

from fluent_cart.importers.wordpress.dump_file import Progress
from fluent_cart.importers.wordpress.source_tables import (
    Change,
    Item,
    Kind,
    SourceError,
    find_prefix,
    kind_of,
    require_columns,
)

PROGRESS_EVERY = 10_000


def read_rows(url: URL, prefix: str | None, progress: Progress) -> Iterator[tuple[str, Item]]:
    """Yield the rows of every table to import, each with its table's full name."""
    try:
        with closing(_connect(url)) as connection:
            yield from _rows(connection, prefix, progress)
    except (pymysql.MySQLError, RuntimeError) as error:
        # RuntimeError: an authentication method that the driver does not support.
        raise SourceError(f"The database cannot be read: {error.args[-1]}") from None


def _connect(url: URL) -> "Connection[SSCursor]":
    socket, authority = url.query.get("unix_socket"), url.query.get("ssl_ca")
    return pymysql.connect(
        host=url.host or "localhost",
        port=url.port or 3306,
        user=url.username,
        # As a text, the driver would read it as Latin-1.
        password=(url.password or "").encode(),
        database=url.database,
        unix_socket=socket if isinstance(socket, str) else None,
        ssl_ca=authority if isinstance(authority, str) else None,
        # Without it, PyMySQL checks neither the certificate nor the name in it.
        ssl_verify_identity=isinstance(authority, str),
        charset="utf8mb4",
        # Every value as the text that a dump would have.
        conv={},
        cursorclass=SSCursor,
        connect_timeout=10,
        autocommit=True,
    )


def _rows(
    connection: "Connection[SSCursor]", prefix: str | None, progress: Progress
) -> Iterator[tuple[str, Item]]:
    with _cursor(connection) as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
        )
        columns: dict[str, list[str]] = {}
        for table, column in cursor:
            columns.setdefault(str(table), []).append(str(column))
        chosen = find_prefix(columns, prefix)
        read = 0
        for table in columns:
            kind = kind_of(table, chosen)
            if kind is None:
                continue
            require_columns(table, kind, columns[table])
            yield table, Change.EMPTY
            cursor.execute(_select(table, kind, columns[table]))
            there = {column.lower() for column in columns[table]}
            is_there = [column in there for column in kind.columns]
            for row in cursor:
                values = zip(row, is_there, strict=True)
                yield table, tuple(_text(value) if known else kind.absent for value, known in values)
                read += 1
                if read % PROGRESS_EVERY == 0:
                    progress(read, 0)


@contextmanager
def _cursor(connection: "Connection[SSCursor]") -> Iterator[SSCursor]:
    with connection.cursor() as cursor:
        try:
            yield cursor
        except pymysql.MySQLError:
            # PyMySQL would read the rest of the rows from a lost connection, and hide why it was lost.
            if result := vars(cursor)["_result"]:
                result.unbuffered_active = False
            raise


def _select(table: str, kind: Kind, columns: list[str]) -> str:
    there = {column.lower(): column for column in columns}
    values = (_quoted(there[column]) if column in there else "NULL" for column in kind.columns)
    return f"SELECT {', '.join(values)} FROM {_quoted(table)}"  # noqa: S608  # quoted


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
