"""A unit of work that waits for its turn."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from fluent_cart.database.constraints import to_api_error
from fluent_cart.errors import ServiceUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]


class WorkItem(Generic[T]):
    """Work that a coroutine waits for. It runs unless the coroutine stops waiting before the work begins."""

    def __init__(self, work: Work[T], *, is_long: bool = False) -> None:
        self.is_long = is_long
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[T] = self._loop.create_future()
        self._is_claimed = False
        self._value: T | None = None
        self.error: BaseException | None = None

    async def result(self, seconds: float) -> T:
        """Return the result. Raise 503 if the work has not begun after ``seconds``."""
        deadline = self._loop.call_later(seconds, self._expire)
        try:
            return await self._result
        finally:
            deadline.cancel()

    def claim(self) -> bool:
        """Return whether the work may run: it has not begun, and its result is awaited."""
        if self._is_claimed or self._result.done():
            return False
        self._is_claimed = True
        return True

    def run(self, connection: Connection) -> None:
        """Run the work, in any thread. ``answer`` returns its value or its error to the coroutine.

        ``DBAPIError`` if the transaction is of no use any more: the disk is full, for example.
        """
        self.error = None
        try:
            self._value = self._work(connection)
        except IntegrityError as error:
            self.error = to_api_error(error)
        except DBAPIError:
            raise
        except BaseException as error:  # it is the caller's
            self.error = error

    def answer(self) -> None:
        """Return the value or the error to the coroutine, if it still waits."""
        if self._result.done():
            return
        if self.error is not None:
            self._result.set_exception(self.error)
        else:
            self._result.set_result(self._value)  # type: ignore[arg-type]  # it is what the work returned

    def fail(self, error: BaseException) -> None:
        """Raise ``error`` in the coroutine, for any result of the work."""
        self.error = error
        self.answer()

    def _expire(self) -> None:
        if self.claim():
            self.fail(ServiceUnavailable())
