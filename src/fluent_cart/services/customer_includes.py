"""The parts that ``include`` adds to customers: one statement for each part, for any number of customers.

See docs/decisions.md#171-included-parts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from fluent_cart.database.prepared import LookupConnection, Record, record_maker, scanning
from fluent_cart.enums import Include
from fluent_cart.models import Address, Customer, Order
from fluent_cart.services import customers, orders, stats
from fluent_cart.services.customers import ADDRESS_COLUMNS, ADDRESS_KEYS, keys

# Orders of each customer. Get Customer Orders returns all of them.
MAX_ORDERS = 10

_wanted: BindParameter[Any] = bindparam("customer_ids", expanding=True)
_addresses = (
    select(Address.customer_id, *ADDRESS_COLUMNS)
    .where(Address.customer_id.in_(_wanted))
    .order_by(Address.customer_id, Address.id)
)
_totals = select(Customer.id, *stats.TOTALS).where(Customer.id.in_(_wanted))
_newest_first = (Order.created_at.desc(), Order.id.desc())
_numbered = (
    select(
        Order.customer_id,
        *orders.LISTED,
        func.row_number().over(partition_by=Order.customer_id, order_by=_newest_first).label("place"),
    )
    .where(Order.customer_id.in_(_wanted))
    .subquery()
)
_orders = (
    select(*list(_numbered.c)[:-1])
    .where(_numbered.c.place <= MAX_ORDERS)
    .order_by(_numbered.c.customer_id, _numbered.c.place)
)
_to_addresses, _to_orders = record_maker(ADDRESS_KEYS), record_maker(keys(orders.LISTED))

Values = Callable[[Connection, Sequence[int]], Mapping[int, Any]]


def get_customer_with(connection: LookupConnection, customer_id: int, include: Collection[Include]) -> Record:
    """Return a customer as Get Customer Details does, with the parts of ``include``."""
    customer = customers.get_customer(connection, customer_id)
    # This customer has its addresses already.
    if wanted := set(include) - {Include.ADDRESSES}:
        add_includes(scanning(connection), [customer], wanted)
    return customer


def add_includes(connection: Connection, records: Iterable[Record], include: Collection[Include]) -> None:
    """Add the parts of ``include`` to customers, after their own keys."""
    by_id = {record["id"]: record for record in records}
    for name, (read, empty) in _INCLUDES.items():
        if name in include and by_id:
            found = read(connection, list(by_id))
            for customer_id, record in by_id.items():
                record[name.value] = found.get(customer_id, empty)


def _read_addresses(connection: Connection, customer_ids: Sequence[int]) -> Mapping[int, list[Record]]:
    rows = connection.execute(_addresses, {"customer_ids": customer_ids})
    return {customer_id: _to_addresses(own) for customer_id, own in _by_customer(rows).items()}


def _read_stats(connection: Connection, customer_ids: Sequence[int]) -> Mapping[int, Record]:
    rows = connection.execute(_totals, {"customer_ids": customer_ids})
    return {row[0]: stats.to_stats(*row[1:]) for row in rows}


def _read_orders(connection: Connection, customer_ids: Sequence[int]) -> Mapping[int, list[Record]]:
    rows = connection.execute(_orders, {"customer_ids": customer_ids})
    return {customer_id: _to_orders(own) for customer_id, own in _by_customer(rows).items()}


def _by_customer(rows: Iterable[Sequence[Any]]) -> dict[int, list[Sequence[Any]]]:
    found: dict[int, list[Sequence[Any]]] = {}
    for customer_id, *values in rows:
        found.setdefault(customer_id, []).append(values)
    return found


# The value of a part for a customer without rows.
_INCLUDES: Mapping[Include, tuple[Values, Any]] = {
    Include.ADDRESSES: (_read_addresses, ()),
    Include.STATS: (_read_stats, None),
    Include.ORDERS: (_read_orders, ()),
}
