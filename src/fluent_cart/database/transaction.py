"""A transaction within a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from fluent_cart.database.constraints import to_api_error


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo what is done within if it fails, and leave the transaction usable; a lost race is translated."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise to_api_error(error) from None
