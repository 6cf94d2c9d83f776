"""A session of PostgreSQL on the event loop: a connection and a greenlet, both kept.

A lost connection, a lock or a full server is 503. A deadlock or a serialization failure runs the whole unit
again.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from fluent_cart.database.constraints import to_api_error
from fluent_cart.database.kept_greenlet import KeptGreenlet
from fluent_cart.database.prepared import execute
from fluent_cart.errors import ServiceUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]
# The statements that begin a transaction; none for a look-up, which is one statement or can run as several.
Transaction = tuple[str, ...]

ATTEMPTS = 4
SERIALIZATION_FAILURE, DEADLOCK_DETECTED = "40001", "40P01"
# The server ends the connection, or has a statement that a migration made useless.
ADMIN_SHUTDOWN, CRASH_SHUTDOWN, CANNOT_CONNECT_NOW, STALE_STATEMENT = "57P01", "57P02", "57P03", "0A000"
# A statement took longer than it may.
QUERY_CANCELED = "57014"
LOST = frozenset({ADMIN_SHUTDOWN, CRASH_SHUTDOWN, CANNOT_CONNECT_NOW, STALE_STATEMENT})
# The classes of data exceptions and of integrity constraint violations.
REFUSED_VALUES = ("22", "23")


class Gate(Protocol):
    """Decides whether a connection may open."""

    async def enter(self) -> None:
        """Return if a connection may open; else raise."""

    def report_failure(self) -> None:
        """Note that a connection could not be opened."""


class Session:
    """Runs one unit of work at a time; its connection opens with the first."""

    def __init__(self, engine: Engine, gate: Gate | None = None) -> None:
        self._engine = engine
        self._gate = gate
        self._greenlet = KeptGreenlet()
        self._connection: Connection | None = None

    async def run(self, work: Work[T], transaction: Transaction, before: Work[None] | None = None) -> T:
        """Run ``work`` in a transaction, again if it was unlucky; ``before`` runs before the transaction.

        What was committed, or may have been, is never run twice.
        """
        return await self._greenlet.run(lambda: self._run(work, transaction, before))

    async def close(self) -> None:
        """Close the connection in good order."""
        await self._greenlet.run(self._close)
        self._greenlet.end()

    def terminate(self) -> None:
        """Close the connection at once, whatever it does."""
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
            except (DBAPIError, OSError) as error:
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
            except (DBAPIError, OSError) as error:
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
    """Close a connection without a word to the server, which may not answer."""
    if not connection.invalidated:
        driver: Any = connection.connection.driver_connection
        driver.terminate()
        connection.invalidate()
    connection.close()


def _state(error: BaseException) -> str:
    """Return the SQLSTATE of what the server refused; "" if the server did not say anything."""
    # asyncpg's own error: SQLAlchemy's has lost the state of a statement that has become stale.
    driver = getattr(getattr(error, "orig", None), "__cause__", None)
    return getattr(driver, "sqlstate", None) or ""


def is_lost(error: BaseException) -> bool:
    """Return whether a connection is lost with an error, or could not be opened."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _state(error) in LOST
    return isinstance(error, OSError)


def is_too_slow(error: BaseException) -> bool:
    """Return whether a statement took longer than it may."""
    return _state(error) == QUERY_CANCELED


def _did_not_happen(error: BaseException, committing: bool) -> bool:
    """Return whether a failed transaction can be run again: it was rolled back, and another may succeed."""
    if _state(error) in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED):
        return True
    # A connection that was lost in COMMIT leaves open whether it happened. No answer may come late.
    return not committing and is_lost(error) and not isinstance(error, TimeoutError)
