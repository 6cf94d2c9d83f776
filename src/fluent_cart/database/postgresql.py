"""Store the shop in PostgreSQL, if one machine is not enough.

Units of work run on the event loop, which serves other requests while PostgreSQL works. A transaction of many
rows would block the loop with its own Python code, so it runs on a second loop in a thread.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, text

from fluent_cart.database import session_check
from fluent_cart.database.background_loop import BackgroundLoop
from fluent_cart.database.base import Database, SessionProblem
from fluent_cart.database.postgresql_address import has_pooler
from fluent_cart.database.postgresql_engine import (
    SESSION_SETTINGS,
    STREAM_LIMITS,
    create_postgresql_engine,
    serving_engine,
    set_all,
    vacuum,
)
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.database.scan_queue import ScanQueue
from fluent_cart.database.session_gate import SessionGate
from fluent_cart.database.session_pool import SessionPool
from fluent_cart.observability import metrics

P = ParamSpec("P")
T = TypeVar("T")

# Some connections are reserved for administrators. reserved_connections exists from PostgreSQL 16 on.
_CAPACITY = text(
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true), '0')::int"
)
# The tables whose rows name people.
PERSONAL_TABLES = (
    "customers",
    "customers_search",
    "customer_addresses",
    "customer_name_postcodes",
    "idempotency_keys",
)
BEGIN_WRITE, BEGIN_SCAN = "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgreSQLDatabase(Database):
    """Runs units of work on a PostgreSQL server."""

    def __init__(
        self, url: str, *, connections: int, write_timeout: float, stream_timeout: float = 900.0
    ) -> None:
        super().__init__(write_timeout=write_timeout, stream_timeout=stream_timeout)
        self._url = url
        self._engine = serving_engine(url)
        self._gate = SessionGate(url)
        # Half of the connections wait for disks and locks. A look-up does not: few connections are enough.
        units = connections // 2
        self._units = SessionPool(self._engine, units, write_timeout, self._gate)
        # The last session is for writes, however many scans there are.
        self._scans = ScanQueue(max(units - 1, 1), write_timeout)
        self._background = BackgroundLoop("database")
        self._many = SessionPool(self._engine, 1, write_timeout, self._gate)
        self._lookups = SessionPool(self._engine, connections - units - 1, write_timeout, self._gate)
        # A look-up is one statement: without BEGIN and COMMIT it costs one round trip in place of three.
        # Behind a pooler only a transaction keeps the session.
        settings = (set_all(SESSION_SETTINGS, local=True),) if has_pooler(url) else ()
        self._lookup = (BEGIN_SCAN, *settings) if settings else ()
        self._scan, self._write = (BEGIN_SCAN, *settings), (BEGIN_WRITE, *settings)
        # For commands, which read whole tables and have no time limit.
        self._snapshots = create_postgresql_engine(
            url, connections=1, isolation_level="REPEATABLE READ", limits={}
        )

    def exists(self) -> bool:
        # The PostgreSQL server reports its version with each new connection.
        return True

    def start(self) -> None:
        """Do nothing, because sessions open when they are first needed."""

    async def finish(self) -> None:
        await self._lookups.close()
        await self._units.close()
        await self._background.finish(self._many.close())

    def stop(self) -> None:
        self._stop_streams()
        self._background.stop()
        for sessions in (self._lookups, self._units, self._many):
            sessions.terminate()
        self._snapshots.dispose()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._snapshots.connect() as connection:
            yield connection.execution_options(postgresql_readonly=True)

    def _stream_engine(self) -> Engine:
        return create_postgresql_engine(
            self._url, connections=1, isolation_level="REPEATABLE READ", limits=STREAM_LIMITS
        )

    def remove_remains(self) -> None:
        vacuum(self._url, PERSONAL_TABLES)

    def max_connections(self) -> int | None:
        with self.snapshot() as connection:
            return int(connection.scalar(_CAPACITY))

    def session_problem(self) -> SessionProblem | None:
        return session_check.find_problem(self._url)

    def require_session_check(self) -> None:
        self._gate.require_check()

    def gauges(self) -> Mapping[str, float]:
        return {
            metrics.QUEUED_UNITS: self._units.waiting + self._scans.waiting,
            metrics.LOOKUPS_IN_USE: self._lookups.in_use,
            metrics.LOOKUPS_WAITING: self._lookups.waiting,
        }

    async def read(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._lookups.run(lambda connection: work(connection, *args, **kwargs), self._lookup)

    async def scan(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._scans.run(
            lambda: self._units.run(lambda connection: work(connection, *args, **kwargs), self._scan)
        )

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._units.run(lambda connection: work(connection, *args, **kwargs), self._write)

    async def write_many(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._background.run(
            self._many.run(lambda connection: work(connection, *args, **kwargs), self._write)
        )
