"""Write orders to a file, oldest first.

See docs/decisions.md#60-exports.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from fluent_cart.database.prepared import Record
from fluent_cart.enums import FileFormat
from fluent_cart.formats.row_writer import OnLines, Pieces, in_pieces, to_lines
from fluent_cart.models import Order

COLUMNS: Sequence[str] = (
    "id",
    "customer_id",
    "status",
    "payment_status",
    "total_amount",
    "total_paid",
    "total_refund",
    "currency",
    "created_at",
    "updated_at",
)
BATCH = 1000

_orders = select(*(Order.__table__.c[name] for name in COLUMNS)).order_by(Order.id)


def export_orders(
    connection: Connection, file_format: FileFormat, on_lines: OnLines = lambda _: None
) -> Pieces:
    """Yield the pieces of a file of all orders."""
    return in_pieces(to_lines(file_format, COLUMNS, _records(connection)), on_lines)


def _records(connection: Connection) -> Iterator[Record]:
    with connection.execute(_orders, execution_options={"yield_per": BATCH}) as found:
        for row in found.mappings():
            yield dict(row)
