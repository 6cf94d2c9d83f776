"""A page of customers, counted, uncounted or from a cursor on, with the parts of ``include``."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Float, bindparam, tuple_
from sqlalchemy.types import TypeEngine

from fluent_cart.database.prepared import LookupConnection, Record, scanning
from fluent_cart.enums import SortDirection, SortField
from fluent_cart.models import Customer
from fluent_cart.schemas.cursors import NEVER, ListCursor
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.services.customer_filters import filter_values
from fluent_cart.services.customer_includes import add_includes
from fluent_cart.services.customer_search import (
    SORT_COLUMNS,
    Order,
    all_ids,
    list_customers,
    rows_of,
    to_records,
)

# The dates are read as they are stored, because the sort expressions replace a missing date by a text.
_STORED = {
    SortField.FIRST_PURCHASE_DATE: Customer.first_order_at.expression,
    SortField.LAST_PURCHASE_DATE: Customer.last_order_at.expression,
}
_TYPES: dict[SortField, TypeEngine[Any]] = {
    **{field: stored.type for field, stored in _STORED.items()},
    SortField.AOV: Float(),
}


class CustomerPage(NamedTuple):
    """A page. ``total`` is None if it was not counted, ``next_cursor`` is None on the last page."""

    items: list[Record]
    total: int | None
    has_more: bool = False
    next_cursor: str | None = None


def get_page(connection: LookupConnection, query: CustomerListQuery) -> CustomerPage:
    """Return the page of customers that ``query`` selects."""
    if query.is_counted:
        page = CustomerPage(*list_customers(connection, query))
    else:
        page = _uncounted(scanning(connection), query)
    if query.include:
        add_includes(scanning(connection), page.items, query.include)
    return page


def _uncounted(connection: Connection, query: CustomerListQuery) -> CustomerPage:
    order = Order(query.order_by, query.order_type)
    ids = all_ids(connection.dialect.name, query)
    if query.cursor:
        ids = ids.where(_follows(query.cursor))
    elif not query.has_cursor:
        ids = ids.offset((query.page - 1) * query.per_page)
    # One row more than the page, to see whether another page follows.
    page = rows_of(ids.limit(query.per_page + 1), order).add_columns(_sort_key(order.field))
    rows = connection.execute(page, filter_values(query.filters)).all()
    shown = rows[: query.per_page]
    has_more = len(rows) > len(shown)
    return CustomerPage(
        to_records([row[:-1] for row in shown]),
        None,
        has_more,
        _cursor_at(order, shown[-1]).encode() if has_more else None,
    )


def _cursor_at(order: Order, row: Sequence[Any]) -> ListCursor:
    key = row[-1]
    return ListCursor(order.field, order.direction, NEVER if key is None else key, row[0])


def _sort_key(field: SortField) -> ColumnElement[Any]:
    return _STORED.get(field, SORT_COLUMNS[field]).label("sort_key")


def _follows(cursor: ListCursor) -> ColumnElement[bool]:
    """Return the condition that a customer comes after ``cursor``."""
    sorted_by = SORT_COLUMNS[cursor.order_by]
    place = tuple_(sorted_by, Customer.id)
    key = bindparam("cursor_key", cursor.key, type_=_TYPES.get(cursor.order_by, sorted_by.type))
    after = tuple_(key, bindparam("cursor_id", cursor.customer_id, type_=Customer.id.type))
    return place > after if cursor.order_type is SortDirection.ASC else place < after
