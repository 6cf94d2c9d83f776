"""The models' work for both Django arms: look up the user, and store a customer."""

from typing import Any

from django.db.models import Q

from benchmarks.arms import credentials, now
from benchmarks.arms.django_shop.models import Customer, User
from fluent_cart.services.customers import derived_columns

# Columns of the list. The searched text and the rest stay in the database.
LISTED = (
    "id", "email", "first_name", "last_name", "status", "total_spent", "order_count", "created_at",
    "updated_at",
)  # fmt: skip


def user_of(authorization: str) -> User | None:
    """Return the user whose application password came with a request."""
    given = credentials(authorization)
    if given is None:
        return None
    name, digest = given
    named = Q(login_key=name) | Q(email_key=name)
    # Not first(), which would sort them.
    found = User.objects.filter(named, applicationpassword__password_hash=digest)[:1]
    return next(iter(found), None)


def page_of(page: int, per_page: int) -> tuple[Any, dict[str, int]]:
    """Return the query of a page of customers, and the data about the page."""
    total = Customer.objects.count()
    start = (page - 1) * per_page
    customers = Customer.objects.only(*LISTED).order_by("-id")[start : start + per_page]
    return customers, {
        "current_page": page,
        "per_page": per_page,
        "total": total,
        "total_pages": -(-total // per_page),
    }


def fill(customer: Customer, values: dict[str, Any]) -> Customer:
    """Set ``values`` and the columns that depend on them. The caller saves."""
    for name, value in values.items():
        setattr(customer, name, value)
    customer.updated_at = now()
    customer.created_at = customer.created_at or customer.updated_at
    for column, value in derived_columns(dict(vars(customer))).items():
        setattr(customer, column, value)
    return customer
