"""Import the rows of a file: batch by batch, each a transaction.

A line that cannot be imported is reported and skipped. Rows that were written stay. A second run after an
interruption finds them unchanged, and goes on.

See docs/decisions.md#62-import-of-rows, #63-imported-values, #64-totals-in-file-imports and
#65-batches-of-lines.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.database.retries import write_with_retry
from fluent_cart.database.transfer import advance_sequence
from fluent_cart.formats.row_reader import WHOLE_LINE, Columns, FieldErrors, Line
from fluent_cart.importers.row_status import RowCounts, RowStatus
from fluent_cart.importers.rows.customers import import_customers
from fluent_cart.importers.rows.orders import import_orders
from fluent_cart.importers.rows.outcome import BatchResult, SeenValues
from fluent_cart.models import Address, Base, Customer, Order
from fluent_cart.schemas.error_messages import messages_by_field
from fluent_cart.schemas.rows import CustomerRow, OrderRow
from fluent_cart.services import customer_export, order_export

# A line is always to be imported: none is left as it is.
STATUSES = (RowStatus.WRITTEN, RowStatus.CHANGED, RowStatus.UNCHANGED)
# Lines in one transaction: few enough for a busy server, enough to share a sync to disk.
BATCH = 500


class Kind(NamedTuple):
    """The kind of a file's rows."""

    name: str
    columns: Columns
    row: type[BaseModel]
    import_batch: Callable[..., BatchResult]
    # The highest id of the rows, by the table that generates such ids.
    ids: Callable[[Any], Mapping[type[Base], int]]


CUSTOMERS = Kind(
    "customers",
    Columns(
        names=frozenset(customer_export.COLUMNS),
        json=frozenset({"addresses", "additional_info"}),
        silent=frozenset({"id", "status", "addresses", "additional_info", "created_at", "updated_at"}),
        # Not imported, because they come from orders (docs/decisions.md#16-totals-of-a-customer).
        ignored=frozenset({"total_spent", "order_count"}),
    ),
    CustomerRow,
    import_customers,
    lambda row: {Customer: row.id or 0, Address: max((each.id or 0 for each in row.addresses), default=0)},
)
ORDERS = Kind(
    "orders",
    Columns(
        names=frozenset({*order_export.COLUMNS, "customer_email"}),
        silent=frozenset(order_export.COLUMNS) - {"customer_id", "currency"},
    ),
    OrderRow,
    import_orders,
    lambda row: {Order: row.id or 0},
)


@dataclass
class Report(RowCounts):
    """The status of each line of a file, or its errors."""

    statuses: dict[RowStatus, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    errors: dict[int, FieldErrors] = field(default_factory=dict)
    # Further lines that a faulty one includes.
    taken_along: int = 0

    @property
    def failed(self) -> int:
        """Return how many lines were not imported."""
        return len(self.errors) + self.taken_along

    def add(self, outcome: BatchResult) -> None:
        """Add the result of a batch."""
        for status in outcome.statuses.values():
            self.statuses[status] += 1
        self.errors |= outcome.errors

    def columns(self) -> dict[str, int]:
        """Return how many lines have which status."""
        return {**super().columns(), "failed": self.failed}


async def import_rows(
    database: Database, kind: Kind, lines: Iterable[Line], progress: Callable[[], None], *, dry_run: bool
) -> Report:
    """Import the lines of a file, and report the changes. With ``dry_run`` nothing is written.

    Raise ``ServiceUnavailable`` if the database could not write in time. Earlier batches are complete.
    """
    report, seen = Report(), SeenValues()
    for rows in _batches(kind, lines, report):
        if dry_run:
            outcome = await database.scan(kind.import_batch, rows, seen, writing=False)
            seen.add(outcome.seen)
        else:
            outcome = await write_with_retry(database, _write, kind, rows, seen)
            # All other values are visible in the shop by now.
            seen.lines |= outcome.seen.lines
            seen.orders |= outcome.seen.orders
        report.add(outcome)
        progress()
    report.errors = dict(sorted(report.errors.items()))
    return report


def _batches(kind: Kind, lines: Iterable[Line], report: Report) -> Iterator[dict[int, BaseModel]]:
    """Yield the valid rows by their lines, and report the others."""
    left = iter(lines)
    while batch := list(islice(left, BATCH)):
        rows: dict[int, BaseModel] = {}
        for line in batch:
            report.read += line.lines
            report.taken_along += line.lines - 1
            try:
                row = kind.row.model_validate(line.values)
            except ValidationError as error:
                found = error.errors(include_url=False, include_input=False, include_context=False)
                report.errors[line.number] = {
                    **messages_by_field(found, whole=WHOLE_LINE),
                    **(line.errors or {}),
                }
            else:
                if line.errors:
                    report.errors[line.number] = line.errors
                else:
                    rows[line.number] = row
        yield rows


def _write(connection: Connection, kind: Kind, rows: dict[int, BaseModel], seen: SeenValues) -> BatchResult:
    last: dict[type[Base], int] = {}
    for row in rows.values():
        last |= {model: max(row_id, last.get(model, 0)) for model, row_id in kind.ids(row).items()}
    for model, row_id in last.items():
        # The server may be running, so it must not assign these ids.
        advance_sequence(connection, Base.metadata.tables[model.__tablename__], row_id)
    return kind.import_batch(connection, rows, seen, writing=True)
