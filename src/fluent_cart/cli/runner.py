"""Run a unit of work of a command on the configured database."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fluent_cart.cli.output import CommandError
from fluent_cart.database import Database, create_database, describe, migrations
from fluent_cart.database.streams import MAX_STREAMS, wanted_connections
from fluent_cart.settings import Settings, explain

P = ParamSpec("P")
T = TypeVar("T")


def read_settings() -> Settings:
    """Return the settings. Raise an error that names a wrong one."""
    try:
        return Settings()
    except ValidationError as error:
        raise CommandError(explain(error)) from None


def write(work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` as a transaction. The database must be at the newest migration."""

    async def run() -> T:
        async with _database() as database:
            return await database.write(work, *args, **kwargs)

    return asyncio.run(run())


def read(work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in one snapshot without a time limit. The database must be at the newest migration."""

    async def run() -> T:
        async with _database() as database:
            with database.snapshot() as connection:
                return work(connection, *args, **kwargs)

    return asyncio.run(run())


def reason_of(error: SQLAlchemyError) -> str:
    """Return the database's own message, without the statement and its values."""
    return (str(getattr(error, "orig", None) or error) or type(error).__name__).splitlines()[0]


def require_database(settings: Settings) -> None:
    """Raise ``CommandError`` if there is no database to open."""
    if not create_database(settings).exists():
        address = describe(settings.database_url)
        raise CommandError(f"There is no database at {address}. Create a shop with: fluent-cart init")


def is_missing(settings: Settings) -> bool:
    """Return whether there is no database yet, or an empty one."""
    database = create_database(settings)
    try:
        if not database.exists():
            return True
        with database.snapshot() as connection:
            return migrations.current(connection) is None
    finally:
        database.stop()


def require_newest(settings: Settings) -> None:
    """Raise ``CommandError`` unless the database is at the newest migration."""
    require_database(settings)
    database = create_database(settings)
    try:
        with database.snapshot() as connection:
            newest = migrations.is_newest(connection)
    finally:
        database.stop()
    if not newest:
        raise CommandError("The database is not at the newest migration. Run: fluent-cart migrate")


def require_sessions(settings: Settings) -> None:
    """Raise ``CommandError`` if sessions of the database's server do not keep their settings."""
    database = create_database(settings)
    try:
        problem = database.session_problem()
    finally:
        database.stop()
    if problem:
        raise CommandError(f"{problem.text}. {problem.advice}")


def require_capacity(settings: Settings, workers: int) -> None:
    """Raise ``CommandError`` if the database's server has too few connections for all workers."""
    database = create_database(settings)
    try:
        max_connections = database.max_connections()
    finally:
        database.stop()
    wanted = wanted_connections(workers, settings.pool_size)
    if max_connections is not None and wanted > max_connections:
        raise CommandError(
            f"{workers} workers with {settings.pool_size} connections each, and {MAX_STREAMS} for exports, "
            f"need {wanted}, but PostgreSQL has {max_connections}. Lower FLUENT_CART_WORKERS or "
            "FLUENT_CART_POOL_SIZE"
        )


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """End the command with an error at SIGTERM, so that unfinished files are deleted."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _database() -> Database:
    settings = read_settings()
    require_newest(settings)
    return create_database(settings)
