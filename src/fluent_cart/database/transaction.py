"""Run a part of a transaction in a savepoint."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from fluent_cart.database.constraints import to_api_error


@contextmanager
def savepoint(connection: Connection, *, undo: bool = False) -> Iterator[None]:
    """Undo the changes of a block if it fails, or always with ``undo``. The transaction stays usable.

    A lost race is translated.
    """
    try:
        with connection.begin_nested() as transaction:
            yield
            if undo:
                transaction.rollback()
    except IntegrityError as error:
        raise to_api_error(error) from None
