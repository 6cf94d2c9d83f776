"""Puts a generated shop into a new database as fast as the database can take it.

Indexes and triggers are taken away while the rows come in and made again afterwards, as the migrations left
them: the result is the same as that of a million inserts.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import insert

from benchmarks import generate
from benchmarks.workloads import EPOCH, READER, SECRET, STRANGER, USER
from fluent_cart.clock import now, to_text
from fluent_cart.database import connect, migrations
from fluent_cart.models import ApplicationPassword, Base
from fluent_cart.security.application_passwords import digest
from fluent_cart.services import users

# Triggers keep both, and the rows here are stored without triggers.
SEARCH_TABLE = "INSERT INTO customers_search (id, search_text) SELECT id, search_text FROM customers"
NAME_POSTCODES = """
INSERT INTO customer_name_postcodes (address_id, customer_id, name_postcode_key)
SELECT a.id, c.id, c.first_name_key || ' ' || c.last_name_key || ' ' || upper(replace(a.postcode, ' ', ''))
FROM customer_addresses a JOIN customers c ON c.id = a.customer_id
"""

# One for each customer, as after an import. They are recent, so that the server keeps them.
CHANGES = f"""
INSERT INTO customer_changes (xid, customer_id, kind, created_at)
SELECT 0, id, 'created', '{now()}' FROM customers ORDER BY id
"""
SET_EPOCH = f"UPDATE customer_change_log SET epoch = '{EPOCH}'"


def load(url: str, count: int) -> None:
    """Make a SQLite file, or fill an empty PostgreSQL database."""
    if url.startswith("sqlite:///"):
        load_sqlite(Path(url.removeprefix("sqlite:///")), count)
    else:
        load_postgresql(url, count)


def load_sqlite(path: Path, count: int) -> None:
    """Make a SQLite file with ``count`` customers."""
    url = f"sqlite:///{path}"
    migrations.upgrade(url)
    _add_users(url)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    tables = [model.__tablename__ for model in generate.COLUMNS]
    marks = ", ".join("?" * len(tables))
    later = connection.execute(
        "SELECT type, name, sql FROM sqlite_master"
        f" WHERE type IN ('index', 'trigger') AND tbl_name IN ({marks}) AND sql IS NOT NULL",
        tables,
    ).fetchall()
    connection.execute("BEGIN")
    for kind, name, _ in later:
        connection.execute(f"DROP {kind} {name}")
    for batch in generate.batches(count):
        for model, rows in batch.by_model().items():
            columns = generate.COLUMNS[model]
            values = ", ".join("?" * len(columns))
            connection.executemany(
                f"INSERT INTO {model.__tablename__} ({', '.join(columns)}) VALUES ({values})", rows
            )
    for _, _, statement in later:
        connection.execute(statement)
    connection.execute("INSERT INTO customers_search (customers_search) VALUES ('rebuild')")
    for statement in (NAME_POSTCODES, CHANGES, SET_EPOCH):
        connection.execute(statement)
    connection.execute("UPDATE customer_counts SET count = ?", [count])
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def load_postgresql(url: str, count: int) -> None:
    """Fill an empty PostgreSQL database with ``count`` customers."""
    migrations.upgrade(url)
    _add_users(url)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        # Neither triggers nor foreign keys are looked at: the rows are known to fit.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        tables = [model.__tablename__ for model in generate.COLUMNS]
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = ANY(%s) AND indexname NOT LIKE 'pk_%%'",
            [[*tables, "customers_search"]],
        )
        later = cursor.fetchall()
        for name, _ in later:
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for batch in generate.batches(count):
            for model, rows in batch.by_model().items():
                _copy(cursor, model, rows)
        cursor.execute(SEARCH_TABLE)
        for _, definition in later:
            cursor.execute(definition)
        for table in tables:
            cursor.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {}").format(
                    sql.Literal(table), sql.Identifier(table)
                )
            )
        for text in (NAME_POSTCODES, CHANGES, SET_EPOCH):
            cursor.execute(text)
        # One of several rows, whose sum is what counts.
        cursor.execute("UPDATE customer_counts SET count = %s WHERE id = 0", [count])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _copy(cursor: psycopg.Cursor[Any], model: type[Base], rows: Iterable[generate.Row]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model.__tablename__),
        sql.SQL(", ").join(map(sql.Identifier, generate.COLUMNS[model])),
    )
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _add_users(url: str) -> None:
    """Store an owner, a user who may only read, and a user without permissions, with one password."""
    made = to_text(generate.OPENED)
    with connect(url) as connection:
        for login, role in ((USER, "administrator"), (READER, "worker"), (STRANGER, "subscriber")):
            user_id = users.create_user(connection, login, f"{login}@example.com", login.title(), role)
            values = {
                "user_id": user_id,
                "name": "Benchmark",
                "password_hash": digest(SECRET),
                "created_at": made,
            }
            connection.execute(insert(ApplicationPassword), values)
