"""A connection to PostgreSQL whose socket the event loop watches, and the statements prepared on it."""

import asyncio
import selectors
from collections.abc import Callable, Sequence
from typing import Any, cast

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.util import await_only

from fluent_cart.database.prepared import Rows, StatementExecutor

# No statement may take as long (LIMITS): the server, or the way to it, is gone.
ANSWER_SECONDS = 6.0
# How severe an error is that ends its connection.
FINAL = (b"FATAL", b"PANIC")


class AsyncConnection(StatementExecutor):
    """A connection whose socket the event loop watches."""

    # As the driver's, but with places ($1) for parameters, as the server itself takes them.
    dialect: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        self._pgconn = self._driver.pgconn
        self._loop = asyncio.get_running_loop()
        self.is_lost = False
        self._statements: dict[str, Statement] = {}
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
            statement = Statement(b"lookup_%d" % len(self._statements), self._driver)
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


class Statement:
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
