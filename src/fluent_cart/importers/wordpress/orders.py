"""Orders, and the customers' totals that come from them.

See docs/decisions.md#16-totals-of-a-customer, #17-orders-of-a-customer and #44-imported-orders.
"""

import re
from typing import Any

from sqlalchemy import Connection

from fluent_cart.database.prepared import Record
from fluent_cart.enums import OrderStatus, PaymentStatus
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.upsert import AbsentColumns, Identity, UpsertResult, stored_rows, upsert
from fluent_cart.models import Order
from fluent_cart.schemas.base import MAX_SAFE_INTEGER
from fluent_cart.services import orders
from fluent_cart.services.customers import lock_customers

KIND = "orders"
IDENTITY = Identity(["created_at"], otherwise=["customer_id", "currency", "total_amount"])
ORDER_STATUSES, PAYMENT_STATUSES, COUNTED = map(
    frozenset, (OrderStatus, PaymentStatus, PaymentStatus.counted())
)
# The names of these in FluentCart and its predecessors.
SYNONYMS = {
    "cancelled": OrderStatus.CANCELED.value,
    "refunded": OrderStatus.COMPLETED.value,
    "partial-refund": OrderStatus.COMPLETED.value,
}

_STATEMENT = """
SELECT orders.*, merged.survivor_id,
    EXISTS (SELECT 1 FROM imported WHERE kind = 'customers' AND imported.id = customer_id) AS has_customer
FROM orders LEFT JOIN merged ON merged.id = customer_id ORDER BY customer_id, orders.id
"""
_MOST_USED = "SELECT currency FROM orders GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1"
_COUNT = """
INSERT INTO totals VALUES (?, 1, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    number = number + 1, spent = spent + excluded.spent,
    first = min(first, excluded.first), last = max(last, excluded.last)
"""
_WHOLE = re.compile(r"(-?\d{1,16})(?:\.0*)?", re.ASCII)


async def import_orders(run: ImportContext) -> None:
    """Import all orders, and compute the totals of their customers in the same transaction."""
    await run.reserve_ids(Order, KIND)
    currency = run.staging.value(_MOST_USED)
    for batch in run.batches(KIND, _STATEMENT):
        absent: dict[int, set[str]] = {}
        mapped = [order for row in batch if (order := _order(run, row, currency, absent))]
        outcome = await run.write_batch(
            _import_batch, mapped, absent, update_existing=run.options.update, writing=not run.options.dry_run
        )
        run.record_result(KIND, outcome)
        taken = set(outcome.taken)
        run.staging.execute_many(
            _COUNT, (_counted(order) for order in mapped if _counts(order) and order["id"] not in taken)
        )


def _order(
    run: ImportContext, row: dict[str, Any], currency: str, absent: dict[int, set[str]]
) -> Record | None:
    values = run.values(KIND, row)
    if values.get("mode") == "test" and not run.options.test_orders:
        run.report.skip(KIND, DataIssue.TEST_ORDER, values.id)
        return None
    amounts = _amounts(values)
    if amounts is None:
        run.report.skip(KIND, DataIssue.UNREADABLE_AMOUNT, values.id)
        return None
    customer_id = values.get("survivor_id") or (
        values.get("customer_id") if values.get("has_customer") else None
    )
    if customer_id is None:
        values.record_issue(DataIssue.NO_CUSTOMER)
    if values.get("currency") != currency:
        values.record_issue(DataIssue.FOREIGN_CURRENCY)
    created_at, updated_at = values.times()
    absent[values.id] = values.absent
    return {
        "id": values.id,
        "customer_id": customer_id,
        "status": _status(values),
        "payment_status": _payment_status(values),
        "currency": values.text("currency", 10).upper(),
        **amounts,
        "created_at": created_at,
        "updated_at": updated_at,
    }


def _amounts(values: Values) -> dict[str, int] | None:
    """Return the amounts in cents, or None if one of them is not a number."""
    amount, paid, refunded = (
        _cents(values.get(column)) for column in ("total_amount", "total_paid", "total_refund")
    )
    if amount is None or paid is None or refunded is None:
        return None
    if paid < 0 or refunded < 0:
        values.record_issue(DataIssue.NEGATIVE_AMOUNT)
        paid, refunded = max(paid, 0), max(refunded, 0)
    if refunded > paid:
        values.record_issue(DataIssue.OVER_REFUNDED)
    elif refunded and paid + refunded == amount:
        values.record_issue(DataIssue.PAID_LESS_REFUND)
    return {"total_amount": amount, "total_paid": paid, "total_refund": refunded}


def _status(values: Values) -> str:
    text = values.text("status", 20).lower()
    if text in ORDER_STATUSES:
        return text
    values.record_issue(DataIssue.UNKNOWN_ORDER_STATUS)
    return SYNONYMS.get(text, OrderStatus.PENDING.value)


def _payment_status(values: Values) -> str:
    text = values.text("payment_status", 20).lower()
    if text in PAYMENT_STATUSES:
        return text
    values.record_issue(DataIssue.UNKNOWN_PAYMENT_STATUS)
    return PaymentStatus.PENDING.value


def _cents(text: str | None) -> int | None:
    found = _WHOLE.fullmatch((text or "").strip())
    return int(found[1]) if found and abs(int(found[1])) <= MAX_SAFE_INTEGER else None


def _counts(order: Record) -> bool:
    return order["customer_id"] is not None and order["payment_status"] in COUNTED


def _counted(order: Record) -> tuple[int, int, str, str]:
    spent = max(order["total_paid"] - order["total_refund"], 0)
    return order["customer_id"], spent, order["created_at"], order["created_at"]


def _import_batch(
    connection: Connection, rows: list[Record], absent: AbsentColumns, *, update_existing: bool, writing: bool
) -> UpsertResult:
    stored = stored_rows(connection, Order, rows)
    customer_ids = {row["customer_id"] for row in rows} | {row["customer_id"] for row in stored.values()}
    customer_ids -= {None}
    if writing:
        lock_customers(connection, customer_ids)
    outcome = upsert(
        connection,
        Order,
        rows,
        stored,
        IDENTITY,
        update_existing=update_existing,
        writing=writing,
        absent=absent,
    )
    if writing:
        orders.recalculate(connection, sorted(customer_ids))
    return outcome
