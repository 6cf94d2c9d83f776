"""The customer list: filters, search, order and page as SQL, from an allow-list.

A page is looked up late: first its ids, which the index alone has, also for a deep page, and then the rows of
these few ids.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVarTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    SelectBase,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
    true,
)

from fluent_cart.database.prepared import LookupConnection, Prepared, record_maker, scanning
from fluent_cart.enums import SortDirection, SortField
from fluent_cart.models import Customer
from fluent_cart.models.customers import AVERAGE_ORDER, FIRST_PURCHASE, LAST_PURCHASE
from fluent_cart.schemas.customer_queries import CustomerListQuery, CustomerSelection
from fluent_cart.services import search
from fluent_cart.services.customer_filters import (
    conditions_of,
    filter_values,
    number_of_matches,
    without_index,
)
from fluent_cart.services.customers import LIST_COLUMNS, keys
from fluent_cart.services.pages import Page

# The caller's words only select a row of this table and of the table of filters, and values are bound. Names
# sort as people read them (docs/decisions.md#135-order-of-names), e-mail addresses without regard to case.
SORT_COLUMNS: Mapping[SortField, ColumnElement[Any]] = {
    SortField.ID: Customer.id.expression,
    SortField.EMAIL: Customer.email_key.expression,
    SortField.FIRST_NAME: Customer.first_name_key.expression,
    SortField.LAST_NAME: Customer.last_name_key.expression,
    SortField.STATUS: Customer.status.expression,
    SortField.TOTAL_SPENT: Customer.total_spent.expression,
    SortField.ORDER_COUNT: Customer.order_count.expression,
    SortField.CREATED_AT: Customer.created_at.expression,
    SortField.UPDATED_AT: Customer.updated_at.expression,
    SortField.FIRST_PURCHASE_DATE: literal_column(FIRST_PURCHASE),
    SortField.LAST_PURCHASE_DATE: literal_column(LAST_PURCHASE),
    SortField.AOV: literal_column(AVERAGE_ORDER),
}
# Triggers keep it (migrations 0005 and 0020). On SQLite it is a full-text index, whose id is ``rowid``.
SEARCH_TABLE = table("customers_search", column("id", BigInteger), column("search_text", Text))
_SEARCHED = search.SearchTarget(Customer.search_text.expression, Customer.id.expression, index=SEARCH_TABLE)
to_records = record_maker(keys(LIST_COLUMNS))
# Below this offset, skipping wide rows takes less time than looking up the page's rows by their ids.
MAX_DIRECT_OFFSET = 1000
# With many more, PostgreSQL would not keep the ids of the matches in a hash table (its work_mem).
MAX_HASHED = 100_000

# Triggers maintain the number of customers, so that no list counts them.
number_of_customers = select(
    cast(func.sum(column("count", BigInteger)), BigInteger).label("number")
).select_from(table("customer_counts"))
_number_of_customers = Prepared(number_of_customers)


Values = TypeVarTuple("Values")


class Found(NamedTuple):
    """The statements of a search. Each row of the page ends with the total."""

    page: Select[*tuple[Any, ...]]
    total: Select[int]


def list_customers(connection: LookupConnection, query: CustomerListQuery) -> Page:
    """Return one page of the customers that match, and the number of all that match."""
    values = filter_values(query.filters)
    window = {"limit": query.per_page, "offset": (query.page - 1) * query.per_page}
    if query.search:
        return _page_found(connection, query, values, window)
    order = Order(query.order_by, query.order_type)
    if not values:
        page = _page_of_all(order, late=sum(window.values()) > MAX_DIRECT_OFFSET)
        return _counted(page.rows(connection, **window), lambda: _number(connection))
    number = _number(connection)
    ((total,),) = _count(frozenset(values)).rows(connection, **values)
    if not total:
        return Page([], 0)
    # PostgreSQL estimates the number itself. SQLite needs the hint.
    has_many = _has_many(number, window, total) if connection.dialect.name == "sqlite" else None
    page = _page_of_some(order, frozenset(values), has_many)
    return _page(page.rows(connection, **values, **window), total)


class Order(NamedTuple):
    field: SortField
    direction: SortDirection

    def by(self, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        return [each.asc() if self.direction is SortDirection.ASC else each.desc() for each in columns]

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """The columns to order by. The id breaks ties in the same direction, so that pages do not overlap."""
        own = SORT_COLUMNS[self.field]
        return self.by(own) if self.field is SortField.ID else self.by(own, Customer.id.expression)

    @property
    def columns_without_index(self) -> list[ColumnElement[Any]]:
        """The columns to order by if SQLite is to sort."""
        return self.by(without_index(SORT_COLUMNS[self.field]), Customer.id.expression)


def _has_many(number: int, window: dict[str, int], total: int) -> bool:
    """Return whether it is faster to read customers in order until the page is full than to sort the matches.

    With many matches among the ``number`` of customers, the page is soon full.
    """
    return sum(window.values()) * number < total * total


def _number(connection: LookupConnection) -> int:
    ((number,),) = _number_of_customers.rows(connection)
    return int(number)


def _counted(rows: Sequence[Sequence[Any]], count: Callable[[], int]) -> Page:
    """Return a page whose rows end with the total. For an empty page, run ``count``."""
    return _page([row[:-1] for row in rows], rows[0][-1] if rows else count())


def _page(rows: Sequence[Sequence[Any]], total: int) -> Page:
    return Page(to_records(rows), total)


# Cached, because compiling a statement takes several times as long as running it on a small shop. There are
# few different statements.
@lru_cache
def _count(filters: frozenset[str]) -> Prepared:
    return Prepared(number_of_matches(filters))


@lru_cache
def _page_of_all(order: Order, late: bool) -> Prepared:
    # With the total, so that a list costs one round trip.
    return Prepared(ordered(order, late=late).add_columns(number_of_customers.scalar_subquery()))


@lru_cache(maxsize=1024)
def _page_of_some(order: Order, filters: frozenset[str], has_many: bool | None) -> Prepared:
    return Prepared(ordered(order, filters, has_many=has_many))


def ordered(
    order: Order, filters: frozenset[str] = frozenset(), *, has_many: bool | None = None, late: bool = True
) -> Select[*tuple[Any, ...]]:
    """Return the page of a list.

    SQLite reads matches in order if ``has_many``, or sorts them. With None the database decides.
    ``late`` looks the rows of the page up at the end.
    """
    conditions = conditions_of(filters, no_index=bool(has_many), has_many=bool(has_many))
    if not late:
        return _windowed(select(*LIST_COLUMNS).where(*conditions).order_by(*order.columns))
    columns = order.columns_without_index if has_many is False else order.columns
    ids = select(Customer.id).where(*conditions).order_by(*columns)
    if order.field is SortField.ID and not filters:
        # Without this hint, SQLite scans the rows.
        ids = ids.with_hint(Customer, "INDEXED BY ix_customers_id", "sqlite")
    return rows_of(_windowed(ids), order)


def _windowed(rows: Select[*Values]) -> Select[*Values]:
    return rows.limit(bindparam("limit", type_=BigInteger)).offset(bindparam("offset", type_=BigInteger))


def rows_of(ids: Select[int], order: Order) -> Select[*tuple[Any, ...]]:
    """Return the rows of a list that have these ids, in its order."""
    return select(*LIST_COLUMNS).where(Customer.id.in_(ids)).order_by(*order.columns)


def found(dialect: str, term: str, order: Order, filters: frozenset[str] = frozenset()) -> Found:
    """Return the statements of a search. The matching ids are looked up once, for the page and the total."""
    matching: SelectBase | None = search.ids_from_index(term, _SEARCHED, dialect)
    by_id = order.field is SortField.ID and not filters
    if by_id and isinstance(matching, Select) and dialect == "sqlite":
        # The index is in the order of ids. Only the total reads all matches.
        total = select(func.count()).select_from(matching.subquery())
        page = rows_of(_windowed(matching.order_by(*order.by(matching.selected_columns.id))), order)
        return Found(page.add_columns(total.scalar_subquery()), total)
    if matching is None or not by_id:
        matching = select(Customer.id, SORT_COLUMNS[order.field].label("sort_key")).where(
            search.matches(term, _SEARCHED, dialect), *conditions_of(filters)
        )
    # Without this hint, PostgreSQL searches for rare terms by reading all customers in order.
    ids = matching.cte("found").prefix_with("MATERIALIZED")
    sort_keys = order.by(ids.c.sort_key, ids.c.id) if "sort_key" in ids.c else order.by(ids.c.id)
    total = select(func.count()).select_from(ids)
    page = rows_of(_windowed(select(ids.c.id).order_by(*sort_keys)), order)
    return Found(page.add_columns(total.scalar_subquery()), total)


def found_in_order(dialect: str, term: str, order: Order) -> Select[*tuple[Any, ...]]:
    """Return the page of a search that reads all customers in order until the page is full."""
    # IS TRUE keeps PostgreSQL from a join, which would look up the sort key of each match first.
    is_found = search.matches(term, _SEARCHED, dialect).is_(true())
    return rows_of(_windowed(select(Customer.id).where(is_found).order_by(*order.columns)), order)


def _page_found(
    connection: LookupConnection, query: CustomerListQuery, values: dict[str, Any], window: dict[str, int]
) -> Page:
    scan, dialect = scanning(connection), connection.dialect.name
    order = Order(query.order_by, query.order_type)
    if dialect == "postgresql" and order.field is not SortField.ID and not values:
        total = scan.scalar(found(dialect, query.search, order._replace(field=SortField.ID)).total) or 0
        if not total:
            return Page([], 0)
        if total <= MAX_HASHED and _has_many(_number(connection), window, total):
            return _page(scan.execute(found_in_order(dialect, query.search, order), window).all(), total)
    statements = found(dialect, query.search, order, frozenset(values))
    rows = scan.execute(statements.page, values | window).all()
    # An empty first page means no match. Another empty page may be after the last match.
    return _counted(rows, lambda: scan.scalar(statements.total, values) or 0 if window["offset"] else 0)


def all_ids(dialect: str, selection: CustomerSelection) -> Select[int]:
    """Return the ids of all customers of a list, in its order.

    The values of the filters are its parameters.
    """
    order = Order(selection.order_by, selection.order_type)
    filters = frozenset(filter_values(selection.filters))
    # Read in order even for few matches, so that nothing is sorted and the first rows come at once.
    conditions = conditions_of(filters, no_index=dialect == "sqlite")
    if selection.search:
        matching = search.ids_from_index(selection.search, _SEARCHED, dialect)
        if matching is None:
            matching = select(Customer.id).where(search.matches(selection.search, _SEARCHED, dialect))
        ids = matching.cte("found").prefix_with("MATERIALIZED")
        conditions.append(Customer.id.in_(select(ids.c.id)))
    return select(Customer.id).where(*conditions).order_by(*order.columns)
