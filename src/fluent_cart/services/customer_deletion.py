"""Delete one customer or many.

See docs/decisions.md#25-deletion-of-customers.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from fluent_cart.models import Customer
from fluent_cart.services import idempotency_keys
from fluent_cart.services.customers import lock_customer


def delete_customers(connection: Connection, customer_ids: Sequence[int]) -> None:
    """Delete customers, whose rows the caller has locked, and erase the stored responses about them."""
    # The schema deletes the addresses and keeps the orders without a customer.
    connection.execute(delete(Customer).where(Customer.id.in_(customer_ids)))
    idempotency_keys.erase_answers(connection, frozenset(customer_ids))


def delete_customer(connection: Connection, customer_id: int) -> None:
    """Delete a customer. Raise ``CustomerNotFound`` if there is none."""
    lock_customer(connection, customer_id)
    delete_customers(connection, [customer_id])
