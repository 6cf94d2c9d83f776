"""Places in the log of a PostgreSQL server, by which a replica is known to have all that was acknowledged.

A commit is acknowledged once the log is on disk up to its record. So everything that was acknowledged before
a request came is in the log up to the place that the primary names while the request waits. A replica that
has replayed the log up to this place shows all of it.

The log on disk may end within a record that belongs to no commit, such as one of VACUUM, and a replica
replays whole records only. So it is enough, too, that no transaction runs at the replica that was over at the
primary.

See docs/decisions.md#194-fresh-reads-on-replicas.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

from sqlalchemy import Connection

from fluent_cart.database.prepared import LookupConnection, execute

# Longer waits are worth less than the primary's own answer.
CATCH_UP_SECONDS = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.008

# A shop is a database of a cluster, and replicas of a cluster have its identifier.
_IDENTITY = "SELECT system_identifier::text || '/' || current_database() FROM pg_control_system()"
_END = (
    "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint,"
    " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)
# A promoted replica accepts writes, so it is not a replica any more.
_REPLAYED = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END,"
    " pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
)
# The position that a connection is known to have replayed. It never goes back.
_KNOWN = "fluent_cart.replayed"

Sleep = Callable[[float], object]


class ReplicaUnusable(Exception):
    """A server is away, is behind, or is not a replica of the shop."""


class ReplicaBehind(ReplicaUnusable):
    """A replica has not replayed the log as far as it has to."""


class Position(NamedTuple):
    """A place in the log of the server of a shop."""

    shop: str
    place: int
    # Transactions that are over have lower ids.
    next_xid: int


class PrimaryLog:
    """The end of the primary's log. Requests at the same time share one query."""

    def __init__(self, ask: Callable[[Callable[[LookupConnection], Position]], Awaitable[Position]]) -> None:
        self._ask = ask
        self._shop = ""
        self._running: asyncio.Task[Position] | None = None
        self._next: asyncio.Task[Position] | None = None

    async def end(self) -> Position:
        """Return the end of the log at a moment after the call."""
        # A question that runs already may have been answered before the caller's last write.
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_retrieve)
        # A caller that leaves does not take the answer from the others.
        return await asyncio.shield(self._next)

    async def _after(self, earlier: asyncio.Task[Position] | None) -> Position:
        if earlier:
            await asyncio.wait([earlier])
        self._running, self._next = self._next, None
        return await self._ask(self._read)

    def _read(self, connection: LookupConnection) -> Position:
        self._shop = self._shop or read_identity(connection)
        ((place, next_xid),) = execute(connection, _END)
        return Position(self._shop, place, next_xid)


def _retrieve(task: asyncio.Task[Position]) -> None:
    # Without it asyncio reports an error without a waiting caller.
    if not task.cancelled():
        task.exception()


def read_identity(connection: LookupConnection) -> str:
    """Return which database of which cluster a connection leads to."""
    ((identity,),) = execute(connection, _IDENTITY)
    return str(identity)


def read_end(connection: LookupConnection) -> Position:
    """Return the end of the log of the primary that a connection leads to."""
    ((place, next_xid),) = execute(connection, _END)
    return Position(read_identity(connection), place, next_xid)


def require_replayed(
    connection: LookupConnection, position: Position, sleep: Sleep, timeout: float = CATCH_UP_SECONDS
) -> None:
    """Return when a replica has replayed the log up to ``position``.

    ``ReplicaUnusable`` if it has not after ``timeout`` seconds, or if it is not a replica of the shop.
    The caller's transaction begins afterwards: an earlier snapshot may be older than the answer.
    """
    known = cast(Connection, connection).info
    if _KNOWN not in known and read_identity(connection) != position.shop:
        raise ReplicaUnusable("The replica is not one of the shop's server and database")
    if known.get(_KNOWN, -1) >= position.place:
        return
    waited, pause = 0.0, FIRST_PAUSE
    while not _is_complete(replayed := _replayed(connection), position):
        if waited >= timeout:
            raise ReplicaBehind(f"The replica is behind by more than {timeout * 1000:.0f} ms")
        sleep(pause)
        waited += pause
        pause = min(2 * pause, LONGEST_PAUSE)
    known[_KNOWN] = replayed.place


def forget_replayed(connection: LookupConnection) -> None:
    """Make the next ``require_replayed`` query the server again, which may be away."""
    cast(Connection, connection).info.pop(_KNOWN, None)


class _Replayed(NamedTuple):
    """How far a replica is: a place in the log, and the id below which no transaction runs."""

    place: int
    oldest_running: int


def _is_complete(replayed: _Replayed, position: Position) -> bool:
    return replayed.place >= position.place or replayed.oldest_running >= position.next_xid


def _replayed(connection: LookupConnection) -> _Replayed:
    ((place, oldest_running),) = execute(connection, _REPLAYED)
    if place is None:
        raise ReplicaUnusable("The server is not a replica: it accepts writes, or it has replayed nothing")
    return _Replayed(place, oldest_running)
