"""Dependencies that any route may use: the database, and a connection to it.

A handler that takes a connection is a unit of work. ``ApiRoute`` opens the connection and runs the handler in
the transaction, so the handler calls its service as any function.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.database.prepared import LookupConnection


async def get_database(request: Request) -> Database:
    """Return the application's database, as a dependency."""
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]

# ``Database.read``, ``scan`` or ``write``.
RunUnit = Callable[..., Awaitable[Any]]


class ConnectionOf:
    """The connection of a handler that is a unit of work. ``choose`` selects its kind by the input."""

    def __init__(
        self, choose: Callable[[Database, Mapping[str, Any]], RunUnit], *, writes: bool = False
    ) -> None:
        self.choose = choose
        self.writes = writes

    async def __call__(self) -> Connection:
        """Raise an error, because a connection exists only while ``ApiRoute`` runs the handler."""
        raise TypeError("Only the handlers of an ApiRouter can take a connection")


# A look-up of a few rows by index. It runs prepared statements only.
ReadConnection = Annotated[LookupConnection, Depends(ConnectionOf(lambda database, _: database.read))]
# A read that may look at many rows. A replica may answer it.
ScanConnection = Annotated[Connection, Depends(ConnectionOf(lambda database, _: database.scan_from_replica))]
# A look-up if the query is short, and a scan otherwise.
QueryConnection = Annotated[
    LookupConnection,
    Depends(
        ConnectionOf(
            lambda database, given: database.read if given["query"].is_short else database.scan_from_replica
        )
    ),
]
# The same for a list. A look-up of one customer is not worth the question for the end of the primary's log.
ListConnection = Annotated[
    LookupConnection,
    Depends(
        ConnectionOf(
            lambda database, given: (
                database.read_from_replica if given["query"].is_short else database.scan_from_replica
            )
        )
    ),
]
# A transaction that may change many rows: also the orders of one customer, which can be thousands.
BulkConnection = Annotated[
    Connection, Depends(ConnectionOf(lambda database, _: database.write_many, writes=True))
]
# A transaction, which is on disk before the response is sent.
WriteConnection = Annotated[
    Connection, Depends(ConnectionOf(lambda database, _: database.write, writes=True))
]
