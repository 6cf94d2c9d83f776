"""Sessions of PostgreSQL: how they are opened, and what none of them may do for long."""

from collections.abc import Mapping
from typing import Any

import orjson
import psycopg
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import IsolationLevel

from fluent_cart.database.streams import STALL_SECONDS
from fluent_cart.database.time_as_text import TimeAsText

# Milliseconds: no request may hold a connection, a lock or an open transaction for longer.
LIMITS = {
    "statement_timeout": 5000,
    "lock_timeout": 3000,
    "idle_in_transaction_session_timeout": 10000,
}
# Times are answered as the session writes them.
TIME_ZONE = {"timezone": "UTC"}
SESSION_SETTINGS: Mapping[str, int | str] = {**TIME_ZONE, **LIMITS}
# A read that is taken in pieces may be asked for the next one late.
STREAM_LIMITS: Mapping[str, int | str] = {
    **LIMITS,
    "idle_in_transaction_session_timeout": int(2000 * STALL_SECONDS),
    "default_transaction_read_only": "on",
}


def engine(
    url: str,
    *,
    connections: int,
    isolation_level: IsolationLevel | None = None,
    limits: Mapping[str, int | str] = LIMITS,
) -> Engine:
    """Return an engine whose sessions obey ``limits``; without any they may take as long as they need."""
    made = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        isolation_level=isolation_level,
        # Personal data stays out of error texts, and so out of logs.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "application_name": "fluent-cart",
            "connect_timeout": 3,
        },
    )
    settings = _set({**TIME_ZONE, **limits})

    @event.listens_for(made, "connect")
    def configure(connection: psycopg.Connection, _record: Any) -> None:
        connection.adapters.register_loader("timestamptz", TimeAsText)
        # Not sent with the connection's start: PgBouncer refuses a start with settings.
        in_transactions, connection.autocommit = not connection.autocommit, True
        connection.execute(settings)
        connection.autocommit = not in_transactions

    return made


def _set(settings: Mapping[str, int | str]) -> bytes:
    return "; ".join(f"SET {name} = '{value}'" for name, value in settings.items()).encode()


def vacuum(url: str) -> None:
    """Find out which pages hold nothing but what everybody sees.

    Until then an index alone answers nothing: a deep page of a million customers takes fifty times as long.
    """
    made = engine(url, connections=1, isolation_level="AUTOCOMMIT", limits={})
    with made.connect() as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")
    made.dispose()
