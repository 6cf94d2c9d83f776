"""The rules that must hold in every shop, each as one query that returns the ids that break it."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, and_, case, column, func, join, or_, select, text
from sqlalchemy.orm import aliased

from fluent_cart.database.prepared import Prepared
from fluent_cart.models import (
    Address,
    ApplicationPassword,
    Customer,
    IdempotencyKey,
    MergedCustomer,
    Order,
    Session,
    User,
)
from fluent_cart.services.customer_search import SEARCH_TABLE, number_of_customers
from fluent_cart.services.orders import COUNTED, NET

_other = aliased(Customer)
_counted_customers = number_of_customers.scalar_subquery()
_totals = (
    select(
        Order.customer_id,
        func.count().label("order_count"),
        func.sum(case((NET > 0, NET), else_=0)).label("total_spent"),
        func.min(Order.created_at).label("first_order_at"),
        func.max(Order.created_at).label("last_order_at"),
    )
    .where(COUNTED)
    .group_by(Order.customer_id)
    .subquery()
)

SEARCH_RULE = "the search table has the text of every customer, and no other text"

INVARIANTS: Mapping[str, Select[Any]] = {
    "a customer who has addresses has exactly one that is primary": (
        select(Address.customer_id)
        .group_by(Address.customer_id)
        .having(func.sum(case((Address.is_primary, 1), else_=0)) != 1)
    ),
    "an e-mail address belongs to one customer, without regard to case": (
        select(Customer.id).join(
            _other, and_(_other.email_key == Customer.email_key, _other.id < Customer.id)
        )
    ),
    "a user is attached to one customer": (
        select(Customer.id).join(_other, and_(_other.user_id == Customer.user_id, _other.id < Customer.id))
    ),
    "a customer's user exists": (
        select(Customer.id)
        .outerjoin(User, User.id == Customer.user_id)
        .where(Customer.user_id.is_not(None), User.id.is_(None))
    ),
    "an address belongs to a customer": (
        select(Address.id)
        .outerjoin(Customer, Customer.id == Address.customer_id)
        .where(Customer.id.is_(None))
    ),
    "an order's customer exists": (
        select(Order.id)
        .outerjoin(Customer, Customer.id == Order.customer_id)
        .where(Order.customer_id.is_not(None), Customer.id.is_(None))
    ),
    "an application password belongs to a user": (
        select(ApplicationPassword.id)
        .outerjoin(User, User.id == ApplicationPassword.user_id)
        .where(User.id.is_(None))
    ),
    "an idempotency key belongs to a user": (
        select(IdempotencyKey.id).outerjoin(User, User.id == IdempotencyKey.user_id).where(User.id.is_(None))
    ),
    "a session belongs to a user": (
        select(Session.id).outerjoin(User, User.id == Session.user_id).where(User.id.is_(None))
    ),
    "a merged id is not the id of a customer, and its survivor exists": (
        select(MergedCustomer.customer_id).where(
            MergedCustomer.customer_id.in_(select(Customer.id))
            | MergedCustomer.survivor_id.not_in(select(Customer.id))
        )
    ),
    "the stored number of customers is the real number": (
        select(_counted_customers).where(
            _counted_customers != select(func.count()).select_from(Customer).scalar_subquery()
        )
    ),
    "a customer's stored totals are those of its orders": (
        select(Customer.id)
        .outerjoin(_totals, _totals.c.customer_id == Customer.id)
        .where(
            or_(
                Customer.order_count != func.coalesce(_totals.c.order_count, 0),
                Customer.total_spent != func.coalesce(_totals.c.total_spent, 0),
                Customer.first_order_at.is_distinct_from(_totals.c.first_order_at),
                Customer.last_order_at.is_distinct_from(_totals.c.last_order_at),
            )
        )
    ),
    SEARCH_RULE: (
        select(func.coalesce(Customer.id, SEARCH_TABLE.c.id))
        .select_from(join(Customer, SEARCH_TABLE, Customer.id == SEARCH_TABLE.c.id, full=True))
        .where(Customer.search_text.is_distinct_from(SEARCH_TABLE.c.search_text))
    ),
}

# SQLite's full-text index has no texts. It has the number of trigrams of each text, as a varint, of which two
# bytes are compared here.
_ON_SQLITE = text("""
    SELECT customers.id FROM customers LEFT JOIN customers_search_docsize AS sizes ON sizes.id = customers.id
    WHERE sizes.id IS NULL OR hex(sizes.sz) <> CASE
        WHEN length(search_text) < 130 THEN printf('%02X', max(length(search_text) - 2, 0))
        WHEN length(search_text) < 16386
        THEN printf('%02X%02X', (length(search_text) - 2) >> 7 | 128, (length(search_text) - 2) & 127)
        ELSE hex(sizes.sz) END
    UNION SELECT id FROM customers_search_docsize WHERE id NOT IN (SELECT id FROM customers)
""").columns(column("id", BigInteger))
_BY_DIALECT: Mapping[str, Mapping[str, Select[Any]]] = {
    "postgresql": INVARIANTS,
    "sqlite": {**INVARIANTS, SEARCH_RULE: select(_ON_SQLITE.subquery().c.id)},
}

EXAMPLES = 5
_violations = {
    dialect: {rule: Prepared(statement.distinct().limit(EXAMPLES)) for rule, statement in invariants.items()}
    for dialect, invariants in _BY_DIALECT.items()
}


def find_violations(
    connection: Connection, progress: Callable[[int], None] = lambda _: None
) -> dict[str, list[int]]:
    """Return the broken rules, each with the ids of a few rows that break it.

    ``progress`` is called with the number of rules that have been checked.
    """
    found = {}
    for done, (rule, statement) in enumerate(_violations[connection.dialect.name].items(), start=1):
        rows = statement.rows(connection)
        if rows:
            found[rule] = [identifier for (identifier,) in rows]
        progress(done)
    return found
