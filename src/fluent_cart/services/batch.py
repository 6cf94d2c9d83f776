"""Many customers created, updated and deleted in one transaction, with a result for each.

See docs/decisions.md#185-batch-requests.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from fluent_cart.database.prepared import Record
from fluent_cart.database.transaction import savepoint
from fluent_cart.errors import ApiError
from fluent_cart.schemas.batch import ChangedCustomer, CustomerBatch, CustomerUpdateById, InvalidItem
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services.customer_deletion import delete_customers
from fluent_cart.services.customers import create_customer, lock_customers, update_customer
from fluent_cart.services.merged_customers import missing_customers

Item = TypeVar("Item", CustomerCreate, CustomerUpdateById)
SUCCESS = 200


def perform(connection: Connection, batch: CustomerBatch) -> Record:
    """Create, update and delete in this order. Return the result of each item, in the order sent.

    An item that fails changes nothing and stops no other item. A dry run returns the same results without
    the ids of new customers, and changes nothing.
    """
    with savepoint(connection, undo=batch.dry_run):
        results = _perform(connection, batch)
    if batch.dry_run:
        for result in results["create"]:
            result.pop("id", None)
    failed = sum(result["status"] != SUCCESS for each in results.values() for result in each)
    return {"processed": sum(map(len, results.values())) - failed, "failed": failed, **results}


def _perform(connection: Connection, batch: CustomerBatch) -> dict[str, list[Record]]:
    lock_customers(connection, {*_ids(batch.update), *batch.delete})
    return {
        "create": [_try(connection, _create, item) for item in batch.create],
        "update": [_try(connection, _update, item) for item in batch.update],
        "delete": _delete(connection, batch.delete),
    }


def _ids(items: Iterable[ChangedCustomer]) -> Iterable[int]:
    return (item.id for item in items if isinstance(item, CustomerUpdateById))


def _try(connection: Connection, act: Callable[[Connection, Item], int], item: Item | InvalidItem) -> Record:
    if isinstance(item, InvalidItem):
        return item.model_dump()
    try:
        with savepoint(connection):
            return {"id": act(connection, item), "status": SUCCESS}
    except ApiError as error:
        return {**item.model_dump(include={"id"}), "status": error.status, "error": error.reason}


def _create(connection: Connection, item: CustomerCreate) -> int:
    return int(create_customer(connection, item)["id"])


def _update(connection: Connection, item: CustomerUpdateById) -> int:
    update_customer(connection, item.id, item.model_dump(exclude={"id"}))
    return item.id


def _delete(connection: Connection, customer_ids: Sequence[int]) -> list[Record]:
    found = lock_customers(connection, customer_ids)
    # All at once: each deletion reads all kept answers.
    delete_customers(connection, sorted(found))
    missing = missing_customers(connection, customer_ids)
    results: list[Record] = []
    for customer_id in customer_ids:
        if customer_id in found:
            results.append({"id": customer_id, "status": SUCCESS})
            found.remove(customer_id)
        else:
            error = missing[customer_id]
            results.append({"id": customer_id, "status": error.status, "error": error.reason})
    return results
