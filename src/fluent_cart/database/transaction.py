"""A transaction from within: what a unit of work that runs others in its own transaction needs."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from fluent_cart.database.constraints import to_api_error

P = ParamSpec("P")
T = TypeVar("T")


class InTransactionDatabase:
    """Stands in for the database where a transaction has begun: ``write`` runs its work there and at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a unit of work; it is on disk when the transaction is."""
        return work(self._connection, *args, **kwargs)


def run_to_completion(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that waits only for an ``InTransactionDatabase``, so needs no loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine} waits for more than a transaction")


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo what is done within if it fails, and leave the transaction usable; a lost race is translated."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise to_api_error(error) from None
