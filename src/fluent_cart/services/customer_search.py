"""The customer list: filters, search, order and page as SQL, from an allow-list."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select

from fluent_cart.enums import SortDirection, SortField
from fluent_cart.models import Customer
from fluent_cart.schemas.customers import CustomerListQuery
from fluent_cart.services.customers import LIST_COLUMNS, Record
from fluent_cart.services.search import matches

# The caller's words only ever pick rows of these two tables; the values are bound.
FILTERS: Mapping[str, ColumnElement[bool]] = {
    "status": Customer.status == bindparam("status"),
    "date_from": Customer.created_at >= bindparam("date_from"),
    "date_to": Customer.created_at <= bindparam("date_to"),
    "total_spent_min": Customer.total_spent >= bindparam("total_spent_min"),
    "total_spent_max": Customer.total_spent <= bindparam("total_spent_max"),
}
# Text sorts without regard to case.
SORT_COLUMNS: Mapping[SortField, ColumnElement[Any]] = {
    SortField.ID: Customer.id.expression,
    SortField.EMAIL: func.lower(Customer.email),
    SortField.FIRST_NAME: func.lower(Customer.first_name),
    SortField.LAST_NAME: func.lower(Customer.last_name),
    SortField.STATUS: Customer.status.expression,
    SortField.TOTAL_SPENT: Customer.total_spent.expression,
    SortField.ORDER_COUNT: Customer.order_count.expression,
    SortField.CREATED_AT: Customer.created_at.expression,
    SortField.UPDATED_AT: Customer.updated_at.expression,
}


class Page(NamedTuple):
    items: list[Record]
    total: int


def list_customers(connection: Connection, query: CustomerListQuery) -> Page:
    """Return one page of the customers that match, and how many match in all."""
    values = query.filters.model_dump(exclude_none=True)
    filters = frozenset(values)
    count, page = _count(filters), _page(filters, query.order_by, query.order_type)
    if query.search:
        found = matches(query.search, Customer.search_text, Customer.id)
        count, page = count.where(found), page.where(found)
    total = connection.scalar(count, values) or 0
    window = {"limit": query.per_page, "offset": (query.page - 1) * query.per_page}
    return Page([dict(row) for row in connection.execute(page, values | window).mappings()], total)


# Building a statement costs several times what running it does on a small shop, and there are few of them.
@lru_cache
def _count(filters: frozenset[str]) -> Select[int]:
    return select(func.count()).select_from(Customer).where(*_conditions(filters))


@lru_cache(maxsize=512)
def _page(filters: frozenset[str], field: SortField, direction: SortDirection) -> Select[Any]:
    columns = [SORT_COLUMNS[field]]
    if field is not SortField.ID:
        # The id breaks ties in the same direction, so that pages do not overlap.
        columns.append(Customer.id.expression)
    return (
        select(*LIST_COLUMNS)
        .where(*_conditions(filters))
        .order_by(*(column.asc() if direction is SortDirection.ASC else column.desc() for column in columns))
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


def _conditions(filters: frozenset[str]) -> list[ColumnElement[bool]]:
    return [FILTERS[name] for name in sorted(filters)]
