"""The filters of customer lists as SQL conditions, from an allow-list.

See docs/decisions.md#11-list-of-customers and #170-more-filters.
"""

import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, literal_column, select
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from fluent_cart.models import Address, Customer
from fluent_cart.models.customers import LAST_PURCHASE
from fluent_cart.schemas.customer_filters import MAX_IDS, CustomerFilters
from fluent_cart.services.folding import email_key

Expression = ColumnElement[Any]


class Filter(NamedTuple):
    """A condition on an indexed expression. ``is_narrow`` means that few customers can meet the condition."""

    expression: Expression
    compare: Callable[[Expression, BindParameter[Any]], ColumnElement[bool]]
    is_narrow: bool = False


# A statement has a fixed number of parameters, so a shorter list repeats its last id.
_ID_NAMES = ("ids", *(f"ids_{number}" for number in range(1, MAX_IDS)))
_IDS = [bindparam(name, type_=Customer.id.type) for name in _ID_NAMES]
# The same expression as in the index, with the type of its values.
_LAST_ORDER = literal_column(LAST_PURCHASE, Customer.last_order_at.type)
_NO_ORDER: Expression = literal_column("'-infinity'")


_in_country = Address.country == bindparam("country", type_=Address.country.type)


def _has_address_in(customer_id: Expression, _: BindParameter[Any]) -> ColumnElement[bool]:
    return customer_id.in_(select(Address.customer_id).where(_in_country))


FILTERS: Mapping[str, Filter] = {
    "status": Filter(Customer.status.expression, operator.eq),
    "date_from": Filter(Customer.created_at.expression, operator.ge),
    "date_to": Filter(Customer.created_at.expression, operator.le),
    "total_spent_min": Filter(Customer.total_spent.expression, operator.ge),
    "total_spent_max": Filter(Customer.total_spent.expression, operator.le),
    "updated_from": Filter(Customer.updated_at.expression, operator.ge),
    "updated_to": Filter(Customer.updated_at.expression, operator.le),
    "last_order_from": Filter(_LAST_ORDER, operator.ge),
    "last_order_to": Filter(_LAST_ORDER, lambda last, given: and_(last > _NO_ORDER, last <= given)),
    "order_count_min": Filter(Customer.order_count.expression, operator.ge),
    "order_count_max": Filter(Customer.order_count.expression, operator.le),
    "country": Filter(Customer.id.expression, _has_address_in),
    # A comparison, because SQLite does not use an index for IS NOT NULL.
    "has_user": Filter(Customer.user_id.expression, lambda user_id, _: user_id > 0),
    "has_no_user": Filter(Customer.user_id.expression, lambda user_id, _: user_id.is_(None)),
    "email": Filter(Customer.email_key.expression, operator.eq, is_narrow=True),
    "ids": Filter(Customer.id.expression, lambda customer_id, _: customer_id.in_(_IDS), is_narrow=True),
}


def filter_values(filters: CustomerFilters) -> dict[str, Any]:
    """Return the filters that were sent, as names of ``FILTERS`` and parameters of a statement."""
    values = filters.model_dump(exclude_none=True)
    if values.get("has_user") is False:
        values["has_no_user"] = values.pop("has_user")
    if "email" in values:
        values["email"] = email_key(values["email"])
    if ids := values.get("ids"):
        values |= zip(_ID_NAMES, ids + ids[-1:] * (MAX_IDS - len(ids)), strict=True)
    return values


def number_of_matches(names: Collection[str]) -> Select[int]:
    """Return the number of customers that meet the filters with these ``names``."""
    if set(names) == {"country"}:
        # Of the index alone, which takes a quarter of the time.
        in_country = select(Address.customer_id).where(_in_country).distinct()
        return select(func.count()).select_from(in_country.subquery("in_country"))
    return select(func.count()).select_from(Customer).where(*conditions_of(names))


def conditions_of(
    names: Collection[str], no_index: bool = False, has_many: bool = False
) -> list[ColumnElement[bool]]:
    """Return the conditions of the filters with these ``names``.

    ``no_index`` keeps SQLite from using an index for a condition, so that SQLite uses the index of the order.
    With ``has_many``, SQLite looks for an address of each customer until the page is full.
    """
    if has_many and "country" in names:
        others = conditions_of(set(names) - {"country"}, no_index)
        return [select(Address.id).where(Address.customer_id == Customer.id, _in_country).exists(), *others]
    return [
        each.compare(
            without_index(each.expression) if no_index and not each.is_narrow else each.expression,
            bindparam(name, type_=each.expression.type),
        )
        for name, each in FILTERS.items()
        if name in names
    ]


def without_index(expression: Expression) -> Expression:
    """Return an expression for which SQLite uses no index."""
    return UnaryExpression(expression, operator=custom_op("+"))
