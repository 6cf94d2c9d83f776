"""Run units of work in a session of PostgreSQL: a connection and a greenlet, both kept.

A lost connection, a lock or a full server raises 503. After a deadlock or a serialization failure, the whole
unit runs again.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from asyncpg import InternalClientError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from fluent_cart.database.constraints import to_api_error
from fluent_cart.database.kept_greenlet import KeptGreenlet
from fluent_cart.database.prepared import execute
from fluent_cart.errors import ServiceUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]
# The statements that begin a transaction. A look-up has none, because it is one statement or can run as
# several.
Transaction = tuple[str, ...]

ATTEMPTS = 4
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"
# The server closes the connection, or a migration has made a prepared statement invalid.
ADMIN_SHUTDOWN, CRASH_SHUTDOWN, CANNOT_CONNECT_NOW, STALE_STATEMENT = "57P01", "57P02", "57P03", "0A000"
# A statement took longer than it may.
QUERY_CANCELED = "57014"
LOST = frozenset({ADMIN_SHUTDOWN, CRASH_SHUTDOWN, CANNOT_CONNECT_NOW, STALE_STATEMENT})
# The classes of data exceptions and of integrity constraint violations.
REFUSED_VALUES = ("22", "23")


class Gate(Protocol):
    """Decides whether a connection may open."""

    async def enter(self) -> None:
        """Return if a connection may open. Raise otherwise."""

    def report_failure(self) -> None:
        """Note that a connection could not be opened."""


class Session:
    """Runs one unit of work at a time. The first one opens the connection."""

    def __init__(self, engine: Engine, gate: Gate | None = None) -> None:
        self._engine = engine
        self._gate = gate
        self._greenlet = KeptGreenlet()
        self._connection: Connection | None = None

    async def run(self, work: Work[T], transaction: Transaction, before: Work[None] | None = None) -> T:
        """Run ``work`` in a transaction, again if that is safe. ``before`` runs before the transaction.

        Work that was committed, or may have been, is never run twice.
        """
        return await self._greenlet.run(lambda: self._run(work, transaction, before))

    async def close(self) -> None:
        """Close the connection after its work."""
        await self._greenlet.run(self._close)
        self._greenlet.end()

    def terminate(self) -> None:
        """Close the connection at once."""
        if self._connection:
            _drop(self._connection)
            self._connection = None

    def disconnect(self) -> None:
        """End the connection, so that a unit of work that waits for an answer fails now."""
        if self._connection and not self._connection.invalidated:
            driver: Any = self._connection.connection.driver_connection
            driver.terminate()

    def _run(self, work: Work[T], transaction: Transaction, before: Work[None] | None) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            connection = self._connected()
            begun: Transaction = ()
            committing = False
            try:
                if before:
                    before(connection)
                begun = transaction
                for statement in transaction:
                    execute(connection, statement)
                result = work(connection)
                if transaction:
                    committing = True
                    execute(connection, "COMMIT")
                return result
            except (DBAPIError, OSError, InternalClientError) as error:
                self._clean_up(error, begun)
                if isinstance(error, DBAPIError) and _state(error)[:2] in REFUSED_VALUES:
                    raise to_api_error(error) from None
                if attempt == ATTEMPTS or not _did_not_happen(error, committing):
                    raise ServiceUnavailable from error
            except BaseException as error:
                self._clean_up(error, begun)
                raise
            await_only(asyncio.sleep(random.uniform(0.002, 0.02) * attempt))  # noqa: S311  # jitter, not a secret
        raise AssertionError("unreachable")

    def _connected(self) -> Connection:
        if self._connection is None:
            if self._gate:
                await_only(self._gate.enter())
            try:
                self._connection = self._engine.connect()
            except (DBAPIError, OSError, InternalClientError) as error:
                if self._gate:
                    self._gate.report_failure()
                raise ServiceUnavailable from error
        return self._connection

    def _clean_up(self, error: BaseException, transaction: Transaction) -> None:
        """Leave no transaction open, and keep no connection that is lost or in the middle of an answer."""
        if is_lost(error) or isinstance(error, asyncio.CancelledError):
            self.terminate()
        elif transaction and self._connection:
            try:
                execute(self._connection, "ROLLBACK")
            except (DBAPIError, OSError):
                self.terminate()

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


def _drop(connection: Connection) -> None:
    """Close a connection without a message to the server, which may not respond."""
    if not connection.invalidated:
        driver: Any = connection.connection.driver_connection
        driver.terminate()
        connection.invalidate()
    connection.close()


def _state(error: BaseException) -> str:
    """Return the SQLSTATE of a server's error, or "" if the server sent none."""
    # asyncpg's own error, because SQLAlchemy's lacks the state of a statement that has become invalid.
    driver = getattr(getattr(error, "orig", None), "__cause__", None)
    return getattr(driver, "sqlstate", None) or ""


def is_lost(error: BaseException) -> bool:
    """Return whether a connection is lost with an error, or could not be opened."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _state(error) in LOST
    # asyncpg's own state is wrong after a server has stopped while the connection opened.
    return isinstance(error, (OSError, InternalClientError))


def is_too_slow(error: BaseException) -> bool:
    """Return whether a statement took longer than it may."""
    return _state(error) == QUERY_CANCELED


def _did_not_happen(error: BaseException, committing: bool) -> bool:
    """Return whether a failed transaction can be run again: it was rolled back, and another may succeed."""
    if _state(error) in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED):
        return True
    # A connection that was lost in COMMIT leaves open whether it happened. No answer may come late.
    return not committing and is_lost(error) and not isinstance(error, TimeoutError)
