"""Customers who may be the same person: groups that share a key, read from an index.

The groups of a reason are in the order of their keys, so a page begins where the page before ended, and its
statement reads the index from there until the page is full, or until it has read enough: duplicates may be
rare, and to read two million keys takes seconds.

See docs/decisions.md#182-duplicates.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.orm import aliased

from fluent_cart.database.prepared import Record, record_maker
from fluent_cart.enums import DuplicateReason
from fluent_cart.models import Customer
from fluent_cart.schemas.duplicates import DuplicateCursor, DuplicatesQuery
from fluent_cart.services.customers import DETAIL_COLUMNS, keys

# A group may have thousands of customers, such as those with the shop's own phone.
MAX_CUSTOMERS = 10

# Keys of a reason that one request reads: a tenth of a second.
MAX_KEYS = 50_000

# Triggers keep it (migration 0019).
_NAME_POSTCODES = table(
    "customer_name_postcodes", column("name_postcode_key", Text), column("customer_id", BigInteger)
)
# Written out, because the indexes are partial: a bound value does not show that they have all rows.
_NO_KEY: ColumnElement[str] = literal_column("''")
_to_records = record_maker(keys(DETAIL_COLUMNS))


class DuplicatePage(NamedTuple):
    """Groups of customers, and the cursor of the next page, or None if no page follows."""

    duplicates: list[Record]
    next_cursor: str | None


class _Keys(NamedTuple):
    """Where the keys of a reason are, each with a customer."""

    key: ColumnElement[str]
    customer_id: ColumnElement[int]
    # Rows without a key are not in the index.
    is_partial: bool = True

    @property
    def rows(self) -> Select[str, int]:
        """Each key with each of its customers."""
        found = select(self.key.label("key"), self.customer_id.label("customer_id"))
        return found.where(self.key != _NO_KEY) if self.is_partial else found


_KEYS: Mapping[DuplicateReason, _Keys] = {
    DuplicateReason.PLUS_ADDRESS: _Keys(Customer.mailbox_key.expression, Customer.id.expression),
    DuplicateReason.PHONE: _Keys(Customer.phone_key.expression, Customer.id.expression),
    DuplicateReason.NAME_AND_POSTCODE: _Keys(
        _NAME_POSTCODES.c.name_postcode_key, _NAME_POSTCODES.c.customer_id, is_partial=False
    ),
}


def list_duplicates(connection: Connection, query: DuplicatesQuery) -> DuplicatePage:
    """Return a page of groups of customers who share something.

    A page has fewer groups than its size, and a cursor, if the limit of keys was reached.
    """
    found: list[DuplicateCursor] = []
    read_to: DuplicateCursor | None = None
    for reason, after in _places(query):
        place = {"after": after, "number": MAX_KEYS - 1}
        last = connection.scalar(keys_after(reason), place)
        # One more, which shows that another page follows.
        wanted = query.per_page + 1 - len(found)
        limits = {"after": after, "wanted": wanted} | ({} if last is None else {"last": last})
        rows = connection.scalars(shared_keys(reason, is_whole=last is None), limits)
        found += [DuplicateCursor(reason, key) for key in rows]
        if len(found) > query.per_page:
            break
        if last is not None:
            read_to = DuplicateCursor(reason, last)
            break
    shown = found[: query.per_page]
    following = shown[-1] if len(found) > len(shown) else read_to
    return DuplicatePage(_with_customers(connection, shown), following.encode() if following else None)


def _places(query: DuplicatesQuery) -> list[tuple[DuplicateReason, str]]:
    """Return the reasons to look at, each with the key after which to begin."""
    reasons = [query.reason] if query.reason else list(DuplicateReason)
    if query.cursor is None:
        return [(reason, "") for reason in reasons]
    later = reasons[reasons.index(query.cursor.reason) + 1 :]
    return [(query.cursor.reason, query.cursor.key), *((reason, "") for reason in later)]


def _following(place: _Keys) -> Select[str]:
    """Return the keys after one key."""
    found = select(place.key).where(place.key > bindparam("after", type_=place.key.type))
    return found.where(place.key != _NO_KEY) if place.is_partial else found


@lru_cache
def keys_after(reason: DuplicateReason) -> Select[str]:
    """Return the key that comes a number of keys later, to which a request reads."""
    place = _KEYS[reason]
    return _following(place).order_by(place.key).offset(bindparam("number", type_=BigInteger)).limit(1)


@lru_cache
def shared_keys(reason: DuplicateReason, *, is_whole: bool = False) -> Select[str]:
    """Return the keys of a reason that more than one customer has, in their order.

    Up to the ``last`` one, with all of its customers, unless the whole rest is wanted.
    """
    place = _KEYS[reason]
    key, customer_id = place.key, place.customer_id
    # A customer may have two addresses with the same postcode.
    is_shared: ColumnElement[bool] = func.min(customer_id) != func.max(customer_id)
    if reason is DuplicateReason.PLUS_ADDRESS:
        plain = aliased(Customer)
        is_shared = or_(is_shared, select(plain.id).where(plain.email_key == key).exists())
    found = _following(place)
    if not is_whole:
        found = found.where(key <= bindparam("last", type_=key.type))
    return found.group_by(key).having(is_shared).order_by(key).limit(bindparam("wanted", type_=BigInteger))


@lru_cache
def members(reason: DuplicateReason) -> Select[*tuple[Any, ...]]:
    """Return the first customers of the groups with some keys, and how many each group has."""
    wanted: BindParameter[Any] = bindparam("keys", expanding=True)
    place = _KEYS[reason]
    rows: Any = place.rows.where(place.key.in_(wanted))
    if reason is DuplicateReason.PLUS_ADDRESS:
        plain = select(Customer.email_key.label("key"), Customer.id.label("customer_id"))
        rows = union_all(rows, plain.where(Customer.email_key.in_(wanted)))
    each = rows.subquery()
    # A customer of several addresses is in its group once.
    once = select(each.c.key, each.c.customer_id).distinct().subquery()
    numbered = select(
        *once.c,
        func.row_number().over(partition_by=once.c.key, order_by=once.c.customer_id).label("place"),
        func.count().over(partition_by=once.c.key).label("number"),
    ).subquery()
    return (
        select(numbered.c.key, numbered.c.number, *DETAIL_COLUMNS)
        .join(Customer, Customer.id == numbered.c.customer_id)
        .where(numbered.c.place <= MAX_CUSTOMERS)
        .order_by(numbered.c.key, numbered.c.place)
    )


def _with_customers(connection: Connection, groups: Sequence[DuplicateCursor]) -> list[Record]:
    found: dict[DuplicateCursor, tuple[int, list[Sequence[Any]]]] = {}
    for reason in dict.fromkeys(group.reason for group in groups):
        keys_of_reason = [group.key for group in groups if group.reason is reason]
        for key, number, *customer in connection.execute(members(reason), {"keys": keys_of_reason}):
            found.setdefault(DuplicateCursor(reason, key), (number, []))[1].append(customer)
    return [
        {
            "reason": group.reason,
            "key": group.key,
            "count": found[group][0],
            "customers": _to_records(found[group][1]),
        }
        for group in groups
    ]
