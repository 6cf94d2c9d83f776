"""One action on many customers, in one transaction, with a result for each.

See docs/decisions.md#24-bulk-actions, #25-deletion-of-customers and #26-bulk-export.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, update

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.enums import BulkActionName, ExportFormat
from fluent_cart.models import Customer
from fluent_cart.schemas.bulk_actions import BulkAction
from fluent_cart.services.customer_deletion import delete_customers
from fluent_cart.services.customer_export import customers_as_csv
from fluent_cart.services.customers import get_customers, lock_customers
from fluent_cart.services.merged_customers import missing_customers

Extras = dict[str, Any]


def perform(connection: Connection, action: BulkAction) -> Record:
    """Run ``action``, and return for each customer, in the order of the ids, whether it was successful.

    A dry run returns the same and changes nothing.
    """
    customer_ids = list(dict.fromkeys(action.customer_ids))
    found = lock_customers(connection, customer_ids)
    existing = [customer_id for customer_id in customer_ids if customer_id in found]
    extras = {} if action.dry_run else _ACTIONS[action.action](connection, existing, action)
    return {
        "processed": len(existing),
        "failed": len(customer_ids) - len(existing),
        "results": list(_results(connection, customer_ids, found)),
        **extras,
    }


def _update_status(connection: Connection, customer_ids: list[int], action: BulkAction) -> Extras:
    connection.execute(
        update(Customer)
        .where(Customer.id.in_(customer_ids), Customer.status != action.data.status)
        .values(status=action.data.status, updated_at=now())
    )
    return {}


def _delete(connection: Connection, customer_ids: list[int], _action: BulkAction) -> Extras:
    delete_customers(connection, customer_ids)
    return {}


def _export(connection: Connection, customer_ids: list[int], action: BulkAction) -> Extras:
    records = get_customers(connection, customer_ids)
    in_order = [records[customer_id] for customer_id in customer_ids]
    return {"export": customers_as_csv(in_order) if action.data.format is ExportFormat.CSV else in_order}


_ACTIONS: Mapping[BulkActionName, Callable[[Connection, list[int], BulkAction], Extras]] = {
    BulkActionName.UPDATE_STATUS: _update_status,
    BulkActionName.DELETE: _delete,
    BulkActionName.EXPORT: _export,
}


def _results(connection: Connection, customer_ids: Sequence[int], found: set[int]) -> Iterable[Record]:
    missing = missing_customers(connection, found.symmetric_difference(customer_ids))
    for customer_id in customer_ids:
        result: Record = {"customer_id": customer_id, "success": customer_id in found}
        if customer_id not in found:
            result["error"] = missing[customer_id].reason
        yield result
