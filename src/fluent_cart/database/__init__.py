"""The database: the only place that opens, commits, retries and rolls back.

A *unit of work* is a plain function whose first argument is a connection. ``Database`` runs it:

- ``read``: a look-up of a few rows by index
- ``scan``: a read that may read many rows, so it does not run on the event loop
- ``stream``: a scan whose result is read in pieces, because it is larger than memory. It may run on a replica
- ``read_from_replica``, ``scan_from_replica``: the same, on a replica that has all that was acknowledged
- ``write``: a transaction, durable before the call returns
"""

from fluent_cart.database.base import Database, ReplicaState, SessionProblem
from fluent_cart.database.factory import (
    UnsupportedDatabase,
    analyze,
    connect,
    create_database,
    describe,
    is_postgresql,
)

__all__ = [
    "Database",
    "ReplicaState",
    "SessionProblem",
    "UnsupportedDatabase",
    "analyze",
    "connect",
    "create_database",
    "describe",
    "is_postgresql",
]
