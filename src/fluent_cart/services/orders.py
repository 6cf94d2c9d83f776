"""Orders, and the totals that come from them.

``record_orders`` is the only function that writes orders. It changes the totals of their customers in the
same transaction.

See docs/decisions.md#16-totals-of-a-customer and #17-orders-of-a-customer.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    case,
    func,
    or_,
    select,
    update,
)

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.enums import PaymentStatus, SortDirection
from fluent_cart.models import Base, Customer, Order
from fluent_cart.schemas.orders import OrderListQuery
from fluent_cart.services.bulk_rows import insert_rows, update_rows
from fluent_cart.services.customers import get_customer, lock_customer, lock_customers, require_customer
from fluent_cart.services.folding import fold
from fluent_cart.services.pages import Page

LISTED = (
    Order.id, Order.status, Order.payment_status, Order.total_amount, Order.currency, Order.created_at
)  # fmt: skip
# The columns of an order that a search compares, in lower case.
_TEXTS = (Order.status, Order.payment_status, func.lower(Order.currency))

_TABLE = Base.metadata.tables[Order.__tablename__]
# The payments that count in totals, and the amount of each, in cents.
COUNTED = Order.payment_status.in_([status.value for status in PaymentStatus.counted()])
NET = Order.total_paid - Order.total_refund


def list_orders(connection: Connection, customer_id: int, query: OrderListQuery) -> Page:
    """Return a customer's matching orders: all of them, or one page if the query has a page."""
    require_customer(connection, customer_id)
    conditions = [Order.customer_id == customer_id, *map(_occurs, fold(query.search).split())]
    column = Order.__table__.c[query.order_by]
    order = (column, Order.id) if query.order_type is SortDirection.ASC else (column.desc(), Order.id.desc())
    statement = select(*LISTED).where(*conditions).order_by(*order)
    if query.per_page is not None:
        statement = statement.limit(query.per_page).offset((query.page - 1) * query.per_page)
    orders = [dict(row) for row in connection.execute(statement).mappings()]
    if query.per_page is None:
        return Page(orders, len(orders))
    total = select(func.count()).select_from(Order).where(*conditions)
    return Page(orders, connection.scalar(total) or 0)


def _occurs(word: str) -> ColumnElement[bool]:
    """Return the condition that an order has the id ``word``, or has ``word`` in one of its texts."""
    found = [text.contains(word, autoescape=True) for text in _TEXTS]
    is_id = re.fullmatch(r"#?([1-9][0-9]{0,17})", word)
    return or_(*found, *([Order.id == int(is_id[1])] if is_id else []))


def record_order(connection: Connection, order: Record) -> None:
    """Store an order, or the new state of one, and recalculate the totals of its customer.

    ``order`` holds the columns of ``models.Order``, money in cents. If an order moves to another customer,
    the totals of both change.
    """
    found = connection.execute(select(_TABLE).where(_TABLE.c.id == order.get("id"))).mappings()
    stored = [dict(row) for row in found]
    values = {"updated_at": now(), **order}
    changed = [{**row, **values} for row in stored]
    record_orders(connection, [] if stored else [values], changed, [row["customer_id"] for row in stored])


def record_orders(
    connection: Connection,
    new: Sequence[Record],
    changed: Sequence[Record],
    former: Iterable[int | None] = (),
) -> None:
    """Store new orders, with or without an id, and all columns of changed ones.

    The totals of their customers, and of the ``former`` customers of moved orders, change in the same
    transaction.
    """
    customers = {row["customer_id"] for row in (*new, *changed)}.union(former)
    customer_ids = sorted(customer_id for customer_id in customers if customer_id)
    lock_customers(connection, customer_ids)
    insert_rows(connection, Order, new)
    update_rows(connection, Order, changed)
    recalculate(connection, customer_ids)


def move_orders(connection: Connection, customer_id: int, to_customer_id: int) -> int:
    """Move the orders of a customer to another one, and compute its totals. Return how many were moved.

    The caller has locked both customers.
    """
    own = update(Order).where(Order.customer_id == customer_id)
    moved = connection.execute(own.values(customer_id=to_customer_id, updated_at=now())).rowcount
    recalculate(connection, [to_customer_id])
    return moved


def recalculate_one(connection: Connection, customer_id: int) -> Record:
    """Compute a customer's totals from its orders. Return the customer as Get Customer Details does."""
    lock_customer(connection, customer_id)
    recalculate(connection, [customer_id])
    return get_customer(connection, customer_id)


def recalculate(connection: Connection, customer_ids: Sequence[int] | None = None) -> int:
    """Compute totals from the orders, for all customers or for the given ids. Return how many changed."""
    totals = {
        Customer.order_count: _total(func.count(), 0),
        Customer.total_spent: _total(func.sum(case((NET > 0, NET), else_=0)), 0),
        Customer.first_order_at: _total(func.min(Order.created_at)),
        Customer.last_order_at: _total(func.max(Order.created_at)),
    }
    differs = [column.is_distinct_from(total) for column, total in totals.items()]
    statement = update(Customer).where(differs[0] | differs[1] | differs[2] | differs[3])
    if customer_ids is not None:
        statement = statement.where(Customer.id.in_(customer_ids))
    return connection.execute(statement.values(totals)).rowcount


def _total(aggregate: Any, without_orders: int | None = None) -> ScalarSelect[Any]:
    value = aggregate if without_orders is None else func.coalesce(aggregate, without_orders)
    return select(value).where(Order.customer_id == Customer.id, COUNTED).scalar_subquery()
