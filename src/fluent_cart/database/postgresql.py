"""PostgreSQL as the shop's database, when one machine is not enough.

Units of work run in threads, each with a connection of a pool of fixed size. What a lost connection, a lock
or a full server does to a request is 503; a deadlock or a serialization failure runs the whole unit again.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fluent_cart.database.base import Database, Work
from fluent_cart.database.constraints import translate
from fluent_cart.errors import ServiceUnavailable

P = ParamSpec("P")
T = TypeVar("T")

# Milliseconds: no request may hold a connection, a lock or an open transaction for longer.
LIMITS = {
    "statement_timeout": 5000,
    "lock_timeout": 3000,
    "idle_in_transaction_session_timeout": 10000,
}
# Some connections are kept for administrators; reserved_connections is there from PostgreSQL 16 on.
_CAPACITY = text(
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true), '0')::int"
)
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"
ATTEMPTS = 4


class PostgreSQLDatabase(Database):
    """Runs units of work on a PostgreSQL server."""

    def __init__(self, url: str, *, connections: int, write_timeout: float) -> None:
        super().__init__(write_timeout=write_timeout)
        self._connections = connections
        self._engine = engine(url, connections=connections)
        # A look-up is one statement: without BEGIN and COMMIT it costs one round trip in place of three.
        self._lookups = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._threads: ThreadPoolExecutor | None = None

    def exists(self) -> bool:
        # The server tells, in its own words, when a connection is made.
        return True

    def start(self) -> None:
        self._threads = ThreadPoolExecutor(self._connections, thread_name_prefix="database")

    def stop(self) -> None:
        if self._threads:
            self._threads.shutdown()
        self._engine.dispose()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._snapshots.begin() as connection:
            yield connection

    def capacity(self) -> int | None:
        with self.snapshot() as connection:
            return int(connection.scalar(_CAPACITY))

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._run(self._lookups, lambda connection: work(connection, *args, **kwargs))

    async def scan(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._run(self._snapshots, lambda connection: work(connection, *args, **kwargs))

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._run(self._engine, lambda connection: work(connection, *args, **kwargs))

    async def _run(self, source: Engine, work: Work[T]) -> T:
        assert self._threads is not None, "the database is not started"  # noqa: S101  # a mistake of ours
        return await self._outcome(self._threads.submit(partial(_attempt, source, work)))


def _attempt(source: Engine, work: Work[T]) -> T:
    """Run ``work`` in a transaction, again from its start when another one got in its way."""
    for attempt in range(1, ATTEMPTS + 1):
        working = False
        try:
            with source.begin() as connection:
                working = True
                result = work(connection)
                working = False
            return result
        except (IntegrityError, DataError) as error:
            raise translate(error) from None
        except (DBAPIError, PoolTimeout) as error:
            if not _did_not_happen(error, working) or attempt == ATTEMPTS:
                raise ServiceUnavailable from error
            time.sleep(random.uniform(0.002, 0.02) * attempt)  # noqa: S311  # jitter, not a secret
    raise AssertionError("unreachable")


def _did_not_happen(error: Exception, working: bool) -> bool:
    """Tell whether a failed transaction can be run again: it was rolled back, and another may succeed."""
    if getattr(getattr(error, "orig", None), "sqlstate", None) in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED):
        return True
    # The connection was lost, perhaps with an old server; had it been lost in COMMIT, nobody could tell.
    return working and getattr(error, "connection_invalidated", False)


def engine(url: str, *, connections: int, migrating: bool = False) -> Engine:
    """Return an engine whose sessions obey the limits above; migrations may take as long as they need."""
    limits = {} if migrating else LIMITS
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=3,
        # Personal data stays out of error texts, and so out of logs.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "application_name": "fluent-cart",
            "connect_timeout": 3,
            "options": " ".join(
                f"-c {name}={value}" for name, value in {"timezone": "UTC", **limits}.items()
            ),
        },
    )
