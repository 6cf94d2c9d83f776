"""The stats of a customer, from the totals stored with it.

See docs/decisions.md#16-totals-of-a-customer.
"""

from sqlalchemy import bindparam, select

from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.models import Customer
from fluent_cart.services.merged_customers import missing_customer

TOTALS = (Customer.total_spent, Customer.order_count, Customer.last_order_at, Customer.first_order_at)
_totals = Prepared(select(*TOTALS).where(Customer.id == bindparam("customer_id")))


def get_stats(connection: LookupConnection, customer_id: int) -> Record:
    """Return a customer's total in cents, number of orders, average, and first and last dates."""
    rows = _totals.rows(connection, customer_id=customer_id)
    if not rows:
        raise missing_customer(connection, customer_id)
    return to_stats(*rows[0])


def to_stats(
    total_spent: int, order_count: int, last_order_at: str | None, first_order_at: str | None
) -> Record:
    """Return the stats that follow from the stored totals of a customer."""
    return {
        "total_spent": total_spent,
        "order_count": order_count,
        "average_order_value": average(total_spent, order_count),
        "last_order_date": last_order_at,
        "first_order_date": first_order_at,
    }


def average(total: int, count: int) -> int:
    """Return ``total / count`` in whole cents, rounded half up, or 0 if ``count`` is 0."""
    return (2 * total + count) // (2 * count) if count else 0
