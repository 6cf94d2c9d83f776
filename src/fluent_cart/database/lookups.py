"""Look-ups on PostgreSQL, asked from the event loop.

A hop to a thread and back costs more than the server takes for a look-up. Here a statement is written to the
connection's socket, and the loop serves others until its rows can be read. Units of work are plain functions
all the same: one that asks is set aside, in a greenlet, until it is answered.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only, greenlet_spawn

from fluent_cart.errors import ServiceUnavailable
from fluent_cart.prepared import Asks, Rows

T = TypeVar("T")

# No statement may take as long (LIMITS): the server, or the way to it, is gone.
ANSWER_SECONDS = 6.0
# How severe an error is that ends its connection.
FINAL = (b"FATAL", b"PANIC")
# Every connection may have been lost with an old server; the last attempt is for one that is new.
SPARE_ATTEMPTS = 2


class Lookups:
    """A few connections of the event loop; each answers one unit of work at a time."""

    def __init__(self, engine: Engine, connections: int, patience: float) -> None:
        self._engine = engine
        self._connections = connections
        self._patience = patience
        self._idle: list[_Wire] = []
        self._opened: set[_Wire] = set()
        # How many more connections may be made; and who waits for one, or for leave to make one (None).
        self._spare = connections
        self._waiting: deque[asyncio.Future[_Wire | None]] = deque()

    @property
    def in_use(self) -> int:
        """How many connections ask something, or are being made."""
        return self._connections - self._spare - len(self._idle)

    @property
    def waiting(self) -> int:
        """How many units of work wait for one."""
        return len(self._waiting)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work that asks prepared statements only.

        On a connection that turns out to be lost nothing has happened, and the unit runs again on another.
        """
        for spare in reversed(range(self._connections + SPARE_ATTEMPTS)):
            wire = await self._take()
            try:
                return await greenlet_spawn(work, cast(Connection, wire))
            except psycopg.OperationalError as error:
                if not (wire.is_lost and spare):
                    raise ServiceUnavailable from error
            finally:
                self._give_back(wire)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close every connection."""
        for wire in self._opened:
            wire.close()
        self._opened.clear()
        self._idle.clear()
        self._spare = self._connections

    async def _take(self) -> "_Wire":
        if self._idle:
            return self._idle.pop()
        if self._spare:
            self._spare -= 1
            return await self._open()
        return await self._turn() or await self._open()

    async def _turn(self) -> "_Wire | None":
        """Wait for a connection, or for leave to make one; 503 if neither comes in time."""
        turn: asyncio.Future[_Wire | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                return await turn
        except BaseException as error:
            # It may have come in the very moment in which nobody waits for it any more.
            if turn.done() and not turn.cancelled():
                self._pass_on(turn.result())
            if isinstance(error, TimeoutError):
                raise ServiceUnavailable from None
            raise

    async def _open(self) -> "_Wire":
        try:
            # In a thread: it takes several round trips, and seconds where nobody answers.
            wire = _Wire(await asyncio.to_thread(self._engine.connect))
        except BaseException as error:
            self._pass_on(None)
            if isinstance(error, DBAPIError):
                raise ServiceUnavailable from error
            raise
        self._opened.add(wire)
        return wire

    def _give_back(self, wire: "_Wire") -> None:
        if wire not in self._opened:
            return
        # One that is still busy was left in the middle of an answer, which nobody wants any more.
        if wire.is_lost or wire.is_busy:
            wire.close()
            self._opened.discard(wire)
            self._pass_on(None)
        else:
            self._pass_on(wire)

    def _pass_on(self, wire: "_Wire | None") -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(wire)
                return
        if wire:
            self._idle.append(wire)
        else:
            self._spare += 1


class _Wire(Asks):
    """A connection whose socket the event loop watches."""

    # As the driver's, but with places ($1) for parameters, as the server itself takes them.
    dialect: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        self._pgconn = self._driver.pgconn
        self._loop = asyncio.get_running_loop()
        self.is_lost = False
        self._statements: dict[str, _Statement] = {}
        self._answer: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None
        # Not watched by itself: after an error on a socket, such as a reset, uvloop looks no further, though
        # there may be something to read. A selector can be read as long as there is anything to see.
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pgconn.socket, selectors.EVENT_READ)
        self._loop.add_reader(self._selector, self._receive)

    @property
    def is_busy(self) -> bool:
        return self._answer is not None

    def ask(self, text: str, parameters: Sequence[Any] | None) -> Rows:
        return await_only(self._ask(text, parameters or ()))

    async def _ask(self, text: str, parameters: Sequence[Any]) -> Rows:
        statement = self._statements.get(text)
        if statement is None:
            statement = _Statement(b"lookup_%d" % len(self._statements), self._driver)
            await self._send(self._pgconn.send_prepare, statement.name, text.encode())
            self._statements[text] = statement
        result = await self._send(
            self._pgconn.send_query_prepared, statement.name, statement.bind(parameters)
        )
        return statement.rows(result)

    async def _send(self, send: Callable[..., None], *arguments: Any) -> PGresult:
        if self.is_lost:
            # Since it was taken.
            raise psycopg.OperationalError("the connection was ended")
        try:
            send(*arguments)
        except psycopg.OperationalError as error:
            self._lose(error)
            raise
        self._answer = self._loop.create_future()
        deadline = self._loop.call_later(ANSWER_SECONDS, self._lose, psycopg.OperationalError("no answer"))
        try:
            # What is asked here fits into the socket's buffer, unless the network has stopped.
            while self._pgconn.flush():  # noqa: ASYNC110  # the driver tells of it in no other way
                await asyncio.sleep(0.001)
            result = await self._answer
        finally:
            deadline.cancel()
        self._answer = None
        if result.status == ExecStatus.FATAL_ERROR:
            raise _error(result)
        return result

    def _receive(self) -> None:
        """Read what the server sent; an answer is complete when there is no further result."""
        try:
            self._pgconn.consume_input()
            if self._answer is None:
                # What a server says unasked is that it ends, or else is of no use here.
                raise psycopg.OperationalError("the connection was ended")
            while not (self._answer.done() or self._pgconn.is_busy()):
                result = self._pgconn.get_result()
                if result is None:
                    self._answer.set_result(cast(PGresult, self._result))
                elif result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) in FINAL:
                    raise _error(result)
                else:
                    self._result = result
        except psycopg.Error as error:
            self._lose(error)

    def _lose(self, error: psycopg.Error) -> None:
        self.is_lost = True
        self._loop.remove_reader(self._selector)
        if self._answer and not self._answer.done():
            self._answer.set_exception(error)

    def close(self) -> None:
        """Give the connection up; whoever waits for an answer gets none."""
        self._lose(psycopg.OperationalError("the connection was closed"))
        self._selector.close()
        self._connection.invalidate()
        self._connection.close()


class _Statement:
    """A statement that the server has prepared on one connection."""

    def __init__(self, name: bytes, driver: "psycopg.Connection[Any]") -> None:
        self.name = name
        self._binder = Transformer(driver)
        self._reader = Transformer(driver)
        self._knows_columns = False

    def bind(self, parameters: Sequence[Any]) -> Sequence[Any]:
        return self._binder.dump_sequence(parameters, [PyFormat.TEXT] * len(parameters))

    def rows(self, result: PGresult) -> Rows:
        # How to read each column is found out once: it is the same statement.
        self._reader.set_pgresult(result, set_loaders=not self._knows_columns)
        self._knows_columns = True
        return self._reader.load_rows(0, result.ntuples, tuple)


def _error(result: PGresult) -> psycopg.Error:
    """Return the error of a refused statement, without its text: that may have the caller's values in it."""
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    try:
        kind = psycopg.errors.lookup(state)
    except KeyError:
        kind = psycopg.DatabaseError
    return kind(f"SQLSTATE {state}")
