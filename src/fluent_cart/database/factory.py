"""Create a ``Database`` from its URL, or open a single connection for commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from fluent_cart.database import sqlite
from fluent_cart.database.base import Database
from fluent_cart.settings import Settings

SQLITE, POSTGRESQL = "sqlite", "postgresql"
# Hosting providers use either scheme.
SCHEMES = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "postgres": POSTGRESQL}


class UnsupportedDatabase(Exception):
    """The configured URL does not name a supported database."""


def create_database(settings: Settings) -> Database:
    """Return the database of the settings. It is not open yet."""
    url = settings.database_url
    _require_replica_address(settings)
    if _kind(url) == SQLITE:
        return sqlite.SQLiteDatabase(
            url,
            write_timeout=settings.write_timeout,
            stream_timeout=settings.export_timeout,
            read_threads=settings.read_threads,
        )
    return _create_postgresql(settings)


def _create_postgresql(settings: Settings) -> Database:
    # Loading its driver is a tenth of a start, and a shop in a file does not need it.
    from fluent_cart.database import postgresql, replicated

    url, read_url = settings.database_url, settings.database_read_url
    make = (
        partial(replicated.ReplicatedDatabase, read_url=read_url)
        if read_url
        else postgresql.PostgreSQLDatabase
    )
    return make(
        url,
        write_timeout=settings.write_timeout,
        stream_timeout=settings.export_timeout,
        connections=settings.pool_size,
    )


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """Yield a connection in one transaction of its own, for migrations and copies of whole shops."""
    if _kind(url) == SQLITE:
        engine = sqlite.create_sqlite_engine(url, begin="BEGIN IMMEDIATE", connections=1, create=True)
    else:
        from fluent_cart.database import postgresql_engine

        engine = postgresql_engine.create_postgresql_engine(url, connections=1, limits={})
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def analyze(url: str) -> None:
    """Update the statistics of a database that was just filled, which it would do itself minutes later."""
    # SQLite needs no such step.
    if _kind(url) == POSTGRESQL:
        from fluent_cart.database import postgresql_engine

        postgresql_engine.vacuum(url)


def describe(url: str) -> str:
    """Return the URL of the database without its password, for messages."""
    # Without parameters, because PostgreSQL accepts passwords there as well.
    return make_url(url).set(query={}).render_as_string(hide_password=True)


def is_postgresql(url: str) -> bool:
    """Return whether the database is on a server, which may be away for a while, and not in a file."""
    return _kind(url) == POSTGRESQL


def _require_replica_address(settings: Settings) -> None:
    """Raise ``UnsupportedDatabase`` if the address of the replica cannot be that of one."""
    url = settings.database_read_url
    if not url:
        return
    if _kind(settings.database_url) != POSTGRESQL:
        raise UnsupportedDatabase(
            "A shop on SQLite has no replica. Remove FLUENT_CART_DATABASE_READ_URL, or move the shop to"
            " PostgreSQL"
        )
    parsed = _parsed(url)
    if parsed is None or SCHEMES.get(parsed.drivername) != POSTGRESQL:
        raise UnsupportedDatabase(
            "FLUENT_CART_DATABASE_READ_URL must be postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    if parsed.query.get("pooler"):
        raise UnsupportedDatabase(
            "FLUENT_CART_DATABASE_READ_URL cannot lead through a pooler that shares sessions between"
            " transactions. Connect to the replica without a pooler, or to one with pool_mode=session"
        )


def _parsed(url: str) -> URL | None:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # ValueError: its port is not a number
        return None


def _kind(url: str) -> str:
    parsed = _parsed(url)
    kind = SCHEMES.get(parsed.drivername) if parsed else None
    if kind == POSTGRESQL or (kind == SQLITE and parsed and parsed.database):
        return kind
    raise UnsupportedDatabase(
        "FLUENT_CART_DATABASE_URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
    )
