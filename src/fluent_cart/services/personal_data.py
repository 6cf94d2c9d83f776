"""Everything that the shop holds about a customer, in one record.

See docs/decisions.md#186-personal-data-and-erasure.
"""

from typing import Any

import orjson
from sqlalchemy import Connection, select

from fluent_cart.database.prepared import Record
from fluent_cart.models import Address, ApplicationPassword, CustomerChange, Order, Session, User
from fluent_cart.services import idempotency_keys, orders, stats
from fluent_cart.services.customers import get_customers
from fluent_cart.services.merged_customers import missing_customer

_ADDRESSES = [column for column in Address.__table__.c if column.name != "customer_id"]
_ORDERS = (*orders.LISTED, Order.total_paid, Order.total_refund, Order.updated_at)
# Neither a password nor a hash of one.
_USER = (User.id, User.login, User.email, User.display_name, User.role, User.created_at)
_PASSWORDS = (ApplicationPassword.name, ApplicationPassword.created_at, ApplicationPassword.last_used)
_SESSIONS = (Session.created_at, Session.expires_at)
_CHANGES = (CustomerChange.kind, CustomerChange.survivor_id, CustomerChange.created_at.label("changed_at"))


def get_personal_data(connection: Connection, customer_id: int) -> Record:
    """Return the customer and all rows about the customer, of every table."""
    customer = get_customers(connection, [customer_id]).get(customer_id)
    if customer is None:
        raise missing_customer(connection, customer_id)
    # Below, with their times.
    del customer["addresses"]
    return {
        "customer": customer,
        "stats": stats.get_stats(connection, customer_id),
        "addresses": _rows(connection, _ADDRESSES, Address.customer_id == customer_id, Address.id),
        "orders": _rows(connection, _ORDERS, Order.customer_id == customer_id, Order.id),
        "user": _user(connection, customer["user_id"]),
        "changes": _rows(connection, _CHANGES, CustomerChange.customer_id == customer_id, CustomerChange.id),
        "kept_answers": [
            {**kept, "body": orjson.loads(kept["body"])}
            for kept in idempotency_keys.answers_about(connection, customer_id)
        ],
    }


def _user(connection: Connection, user_id: int | None) -> Record | None:
    """Return the WordPress user of a customer, with its application passwords and sessions."""
    for user in _rows(connection, _USER, User.id == user_id, User.id):
        passwords = _rows(
            connection, _PASSWORDS, ApplicationPassword.user_id == user_id, ApplicationPassword.id
        )
        sessions = _rows(connection, _SESSIONS, Session.user_id == user_id, Session.id)
        return {**user, "application_passwords": passwords, "sessions": sessions}
    return None


def _rows(connection: Connection, columns: Any, condition: Any, order: Any) -> list[Record]:
    found = connection.execute(select(*columns).where(condition).order_by(order))
    return [dict(row) for row in found.mappings()]
