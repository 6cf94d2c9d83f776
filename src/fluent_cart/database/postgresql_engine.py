"""Open sessions of PostgreSQL with time limits.

The server uses asyncpg. Commands, migrations and exports run without an event loop, so they use psycopg.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import orjson
import psycopg
from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.ext.asyncio import create_async_engine

from fluent_cart.database.postgresql_address import for_asyncpg, for_libpq, has_pooler
from fluent_cart.database.streams import STALL_SECONDS
from fluent_cart.database.time_as_text import TimeAsText, as_documented

# Milliseconds. No request may hold a connection, a lock or an open transaction for longer.
LIMITS = {
    "statement_timeout": 5000,
    "lock_timeout": 3000,
    "idle_in_transaction_session_timeout": 10000,
}
# Times are returned as the session writes them.
TIME_ZONE = {"timezone": "UTC"}
SESSION_SETTINGS: Mapping[str, int | str] = {**TIME_ZONE, **LIMITS}
# The next piece of a stream may be requested late.
STREAM_LIMITS: Mapping[str, int | str] = {
    **LIMITS,
    "idle_in_transaction_session_timeout": int(2000 * STALL_SECONDS),
    "default_transaction_read_only": "on",
}


# No statement may take this long (LIMITS), so the server or the network is gone.
ANSWER_SECONDS = 6.0
CONNECT_SECONDS = 3
NAME = "fluent-cart"
_COMMON: dict[str, Any] = {
    # Personal data must not be in error texts, which are logged.
    "hide_parameters": True,
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": orjson.loads,
}


def create_postgresql_engine(
    url: str,
    *,
    connections: int,
    isolation_level: IsolationLevel | None = None,
    limits: Mapping[str, int | str] = LIMITS,
) -> Engine:
    """Return an engine whose sessions have ``limits``. Without limits they may take any time."""
    made = create_engine(
        for_libpq(url).set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        isolation_level=isolation_level,
        connect_args={"application_name": NAME, "connect_timeout": CONNECT_SECONDS},
        **_COMMON,
    )
    settings = {**TIME_ZONE, **limits}
    pooler = has_pooler(url)

    @event.listens_for(made, "connect")
    def configure(connection: psycopg.Connection, _record: Any) -> None:
        connection.adapters.register_loader("timestamptz", TimeAsText)
        if pooler:
            connection.prepare_threshold = None
            return
        # Not sent when the connection starts, because PgBouncer rejects a start with settings.
        in_transactions, connection.autocommit = not connection.autocommit, True
        connection.execute(set_all(settings).encode())
        connection.autocommit = not in_transactions

    if pooler:

        @event.listens_for(made, "begin")
        def set_for_transaction(connection: Connection) -> None:
            connection.exec_driver_sql(set_all(settings, local=True))

    return made


def serving_engine(url: str) -> Engine:
    """Return the engine of an event loop. Each statement is a transaction unless BEGIN was run before."""
    # Nothing is prepared for a later transaction, which has another session. "" is a name that is always
    # free.
    pooled = {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,
    }
    made = create_async_engine(
        "postgresql+asyncpg://",
        # A session keeps its connection.
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "dsn": for_asyncpg(url),
            "timeout": CONNECT_SECONDS,
            "command_timeout": ANSWER_SECONDS,
            "server_settings": {"application_name": NAME},
            **(pooled if has_pooler(url) else {}),
        },
        **_COMMON,
    ).sync_engine
    if has_pooler(url):
        # The driver reads its types in several steps when it connects, which need one session.
        event.listen(made, "connect", lambda connection, _: connection.run_async(_begin), insert=True)
    last = "COMMIT" if has_pooler(url) else set_all(SESSION_SETTINGS)

    @event.listens_for(made, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.run_async(lambda driver: _configure(driver, last))

    return made


async def _begin(driver: asyncpg.Connection) -> None:
    await driver.execute("BEGIN")


async def _configure(driver: asyncpg.Connection, last_statement: str) -> None:
    await driver.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=str, decoder=as_documented, format="text"
    )
    await driver.execute(last_statement)


def set_all(settings: Mapping[str, int | str], *, local: bool = False) -> str:
    """Return the statement that sets ``settings``, until the end of the transaction if it is ``local``."""
    calls = (f"set_config('{name}', '{value}', {str(local).lower()})" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}"


def vacuum(url: str, tables: Sequence[str] = ()) -> None:
    """Remove rows that no transaction sees any more, and update the visibility map. All tables by default.

    Before that, an index alone cannot return rows: a deep page of a million customers takes fifty times as
    long.
    """
    made = create_postgresql_engine(url, connections=1, isolation_level="AUTOCOMMIT", limits={})
    with made.connect() as connection:
        connection.exec_driver_sql(f"VACUUM (ANALYZE) {', '.join(tables)}")
    made.dispose()
