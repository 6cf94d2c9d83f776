"""The ids of merged customers, and the customers that have their data now.

See docs/decisions.md#183-merge.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, insert, select, update

from fluent_cart.clock import now
from fluent_cart.database.prepared import LookupConnection, Prepared
from fluent_cart.errors import ApiError, CustomerMerged, CustomerNotFound
from fluent_cart.models import MergedCustomer

_survivor = Prepared(
    select(MergedCustomer.survivor_id).where(MergedCustomer.customer_id == bindparam("customer_id"))
)


def missing_customer(connection: LookupConnection, customer_id: int) -> ApiError:
    """Return the error about a customer that does not exist: ``CustomerMerged`` or ``CustomerNotFound``."""
    for (survivor_id,) in _survivor.rows(connection, customer_id=customer_id):
        return CustomerMerged(customer_id, survivor_id)
    return CustomerNotFound(customer_id)


def survivors_of(connection: Connection, customer_ids: Iterable[int]) -> dict[int, int]:
    """Return the survivors of those customers that were merged."""
    columns = select(MergedCustomer.customer_id, MergedCustomer.survivor_id)
    found = connection.execute(columns.where(MergedCustomer.customer_id.in_(list(customer_ids))))
    return dict(found.all())


def missing_customers(connection: Connection, customer_ids: Iterable[int]) -> dict[int, ApiError]:
    """Return the error about each customer that does not exist, as ``missing_customer`` does."""
    customer_ids = list(customer_ids)
    survivors = survivors_of(connection, customer_ids)
    return {
        each: CustomerMerged(each, survivors[each]) if each in survivors else CustomerNotFound(each)
        for each in customer_ids
    }


def record_merger(connection: Connection, customer_id: int, survivor_id: int) -> None:
    """Record that a customer, with all that were merged into it, is merged into ``survivor_id``."""
    earlier = update(MergedCustomer).where(MergedCustomer.survivor_id == customer_id)
    connection.execute(earlier.values(survivor_id=survivor_id))
    merged = {"customer_id": customer_id, "survivor_id": survivor_id, "merged_at": now()}
    connection.execute(insert(MergedCustomer), merged)
