"""The stats of a customer, from the totals stored with it (decision 16)."""

from sqlalchemy import Connection, bindparam, select

from fluent_cart.errors import CustomerNotFound
from fluent_cart.models import Customer
from fluent_cart.services.customers import Record

_totals = select(
    Customer.total_spent, Customer.order_count, Customer.last_order_at, Customer.first_order_at
).where(Customer.id == bindparam("customer_id"))


def get_stats(connection: Connection, customer_id: int) -> Record:
    """Return what a customer spent, in cents, on how many orders, and when."""
    row = connection.execute(_totals, {"customer_id": customer_id}).one_or_none()
    if row is None:
        raise CustomerNotFound(customer_id)
    return {
        "total_spent": row.total_spent,
        "order_count": row.order_count,
        "average_order_value": average(row.total_spent, row.order_count),
        "last_order_date": row.last_order_at,
        "first_order_date": row.first_order_at,
    }


def average(total: int, count: int) -> int:
    """Return ``total / count`` rounded half up, 0 if there is nothing to average; in whole cents."""
    return (2 * total + count) // (2 * count) if count else 0
