"""Attach WordPress users to customers.

See docs/decisions.md#20-attachable-users.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.errors import InvalidUser
from fluent_cart.models import Customer, User
from fluent_cart.services.customers import lock_customer, pick, store_customer
from fluent_cart.services.pages import Page
from fluent_cart.services.search import matches
from fluent_cart.services.users import SEARCHED

_owner = select(Customer.id).where(Customer.user_id == bindparam("user_id"))
_exists = select(User.id).where(User.id == bindparam("user_id"))


def list_attachable_users(connection: Connection, search: str, page: int, per_page: int) -> Page:
    """Return a page of the users without a customer, and the number of all such users."""
    conditions: list[Any] = [~select(Customer.id).where(Customer.user_id == User.id).exists()]
    if search:
        conditions.append(matches(search, SEARCHED, connection.dialect.name))
    rows = connection.execute(
        select(
            User.id,
            User.display_name,
            User.email.label("user_email"),
            User.login.label("user_login"),
        )
        .where(*conditions)
        .order_by(User.id)
        .limit(per_page)
        .offset((page - 1) * per_page)
    )
    total = connection.scalar(select(func.count()).select_from(User).where(*conditions)) or 0
    return Page([dict(row) for row in rows.mappings()], total)


def attach_user(connection: Connection, customer_id: int, user_id: int) -> Record:
    """Attach a user to a customer.

    Raise ``InvalidUser`` if the user does not exist, if the user has another customer, or if the customer has
    another user.
    """
    row = lock_customer(connection, customer_id)
    if row["user_id"] == user_id:
        return pick(row, "id", "user_id", "updated_at")
    if connection.scalar(_exists, {"user_id": user_id}) is None:
        raise InvalidUser(f"WordPress user with ID {user_id} not found")
    if row["user_id"] is not None:
        raise InvalidUser("The customer is attached to another user")
    if connection.scalar(_owner, {"user_id": user_id}) is not None:
        raise InvalidUser("The user is attached to another customer")
    return _set_user(connection, customer_id, user_id)


def detach_user(connection: Connection, customer_id: int) -> Record:
    """Detach a customer from its user. Do nothing if the customer has no user."""
    row = lock_customer(connection, customer_id)
    if row["user_id"] is None:
        return pick(row, "id", "user_id", "updated_at")
    return _set_user(connection, customer_id, None)


def _set_user(connection: Connection, customer_id: int, user_id: int | None) -> Record:
    changed: Record = {"user_id": user_id, "updated_at": now()}
    store_customer(connection, customer_id, changed)
    return {"id": customer_id, **changed}
