"""Return the changes of customers in the order of their transactions, for clients that keep a copy.

Triggers record every change. On PostgreSQL a change is shown after every transaction that began before it has
ended, so that no later commit can add an earlier change. SQLite has one writer, so the ids are in the order
of commits.

See docs/decisions.md#173-changes.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    literal_column,
    select,
    true,
    tuple_,
    update,
)

from fluent_cart.clock import ago
from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.enums import ChangeKind
from fluent_cart.errors import CursorExpired
from fluent_cart.models import CustomerChange, CustomerChangeLog
from fluent_cart.schemas.changes import ChangesQuery
from fluent_cart.services.customers import get_customers

# By one statement of the command, which the database keeps in memory.
REMOVED_AT_ONCE = 1000

_place = (CustomerChange.xid, CustomerChange.id)
_shown = (
    CustomerChange.kind,
    CustomerChange.customer_id,
    CustomerChange.survivor_id,
    CustomerChange.created_at,
)
_log = select(CustomerChangeLog.epoch, CustomerChangeLog.purged_xid, CustomerChangeLog.purged_id)


class Cursor(NamedTuple):
    """The place of a change in the changes of one shop since the shop was created or restored."""

    epoch: str
    xid: int
    change_id: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.xid}-{self.change_id}"


class ChangePage(NamedTuple):
    changes: list[Record]
    cursor: str
    has_more: bool


def read_changes(connection: Connection, query: ChangesQuery) -> ChangePage:
    """Return the changes after a cursor. ``CursorExpired`` if some of them may be missing."""
    start = Cursor(*connection.execute(_log).one())
    dialect = connection.dialect.name
    if not query.after:
        last = connection.execute(_last(dialect)).first()
        return ChangePage([], str(Cursor(start.epoch, *last) if last else start), has_more=False)
    after = _cursor(query.after)
    if after.epoch != start.epoch or after < start:
        raise CursorExpired
    values = {"xid": after.xid, "change_id": after.change_id}
    rows = connection.execute(_following(dialect).limit(query.per_page + 1), values).all()
    shown = rows[: query.per_page]
    cursor = Cursor(start.epoch, *shown[-1][:2]) if shown else after
    return ChangePage(_with_customers(connection, shown), str(cursor), has_more=len(rows) > len(shown))


def has_changes(connection: LookupConnection, query: ChangesQuery) -> bool:
    """Return whether there are changes after a cursor."""
    after = _cursor(query.after)
    return bool(
        _any_following(connection.dialect.name).rows(connection, xid=after.xid, change_id=after.change_id)
    )


def set_kind(
    connection: Connection, customer_id: int, kind: ChangeKind, survivor_id: int | None = None
) -> None:
    """Replace the kind of the last change of a customer, which this transaction has made."""
    last = (
        select(CustomerChange.id)
        .where(CustomerChange.customer_id == customer_id)
        .order_by(CustomerChange.id.desc())
        .limit(1)
    )
    changed = update(CustomerChange).where(CustomerChange.id == last.scalar_subquery())
    connection.execute(changed.values(kind=kind, survivor_id=survivor_id))


def remove_expired(connection: Connection, limit: int, days: int) -> int:
    """Delete up to ``limit`` of the oldest changes, if they are older than ``days``. Return how many.

    The newest change stays, because SQLite would use its id again, and a cursor would be before it.
    """
    oldest = select(*_place, CustomerChange.created_at).order_by(*_place).limit(limit + 1)
    # Only one of several processes removes them.
    connection.execute(_log.with_for_update())
    newest_kept, removed = ago(timedelta(days=days)), []
    for xid, change_id, created_at in connection.execute(oldest).all()[:-1]:
        if created_at >= newest_kept:
            break
        removed.append((xid, change_id))
    if removed:
        xid, change_id = removed[-1]
        ids = [each for _, each in removed]
        connection.execute(delete(CustomerChange).where(CustomerChange.id.in_(ids)))
        connection.execute(update(CustomerChangeLog).values(purged_xid=xid, purged_id=change_id))
    return len(removed)


def purge_all(connection: Connection, days: int) -> int:
    """Delete every change that is older than ``days``, except the newest change. Return how many."""
    total = 0
    while removed := remove_expired(connection, REMOVED_AT_ONCE, days):
        total += removed
    return total


def begin_epoch(connection: Connection) -> None:
    """Delete the changes of a restored shop, so that its clients read the whole shop again."""
    connection.execute(delete(CustomerChange))
    connection.execute(update(CustomerChangeLog).values(epoch=uuid4().hex, purged_xid=0, purged_id=0))


def _cursor(text: str) -> Cursor:
    epoch, xid, change_id = text.split("-")
    return Cursor(epoch, int(xid), int(change_id))


def _with_customers(connection: Connection, rows: Sequence[Sequence[Any]]) -> list[Record]:
    customers = get_customers(connection, sorted({row[3] for row in rows})) if rows else {}
    return [
        {
            "kind": kind,
            "customer_id": customer_id,
            "survivor_id": survivor_id,
            "changed_at": changed_at,
            "customer": customers.get(customer_id),
        }
        for _, _, kind, customer_id, survivor_id, changed_at in rows
    ]


def _is_final(dialect: str) -> ColumnElement[bool]:
    """Return the condition that no transaction that is still running can add a change before this change."""
    if dialect != "postgresql":
        return true()
    xmin: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    return CustomerChange.xid < xmin


def _is_later(dialect: str) -> ColumnElement[bool]:
    """Return the condition that a change comes after a cursor, as each database reads it from the index."""
    xid, change_id = bindparam("xid", type_=BigInteger), bindparam("change_id", type_=BigInteger)
    if dialect == "postgresql":
        return tuple_(*_place) > tuple_(xid, change_id)
    # SQLite reads a comparison of rows by its first column alone, so it would read all changes.
    return and_(CustomerChange.xid == xid, CustomerChange.id > change_id)


@lru_cache
def _following(dialect: str) -> Select[*tuple[Any, ...]]:
    return select(*_place, *_shown).where(_is_later(dialect), _is_final(dialect)).order_by(*_place)


@lru_cache
def _any_following(dialect: str) -> Prepared:
    return Prepared(
        select(CustomerChange.id).where(_is_later(dialect), _is_final(dialect)).order_by(*_place).limit(1)
    )


@lru_cache
def _last(dialect: str) -> Select[int, int]:
    newest_first = [column.desc() for column in _place]
    return select(*_place).where(_is_final(dialect)).order_by(*newest_first).limit(1)
