"""Write customers to a file: all customers that a list would show, in its order.

See docs/decisions.md#26-bulk-export and #60-exports.
"""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from fluent_cart.database.prepared import Record
from fluent_cart.formats.row_writer import OnLines, Pieces, in_pieces, to_csv, to_lines
from fluent_cart.schemas.customer_queries import CustomerExportQuery
from fluent_cart.services.customer_filters import filter_values
from fluent_cart.services.customer_search import all_ids
from fluent_cart.services.customers import DETAIL_COLUMNS, EXTENSION_COLUMNS, get_customers, keys

COLUMNS: Sequence[str] = (*keys(DETAIL_COLUMNS), "addresses", *keys(EXTENSION_COLUMNS))

# Number of customers in memory at a time. Each has up to 64 KiB of additional info.
BATCH = 100


def customers_as_csv(records: Iterable[Record]) -> str:
    """Return full records as one text of CSV."""
    return to_csv(COLUMNS, records)


def export_customers(
    connection: Connection, query: CustomerExportQuery, on_lines: OnLines = lambda _: None
) -> Pieces:
    """Yield the pieces of the file that ``query`` selects."""
    return in_pieces(to_lines(query.format, COLUMNS, _customers(connection, query)), on_lines)


def _customers(connection: Connection, query: CustomerExportQuery) -> Iterator[Record]:
    values = filter_values(query.filters)
    statement = all_ids(connection.dialect.name, query)
    # A cursor of the database, so that neither side keeps all ids in memory.
    with connection.execute(statement, values, execution_options={"yield_per": BATCH}) as found:
        for some in found.scalars().partitions():
            records = get_customers(connection, some)
            yield from (records[customer_id] for customer_id in some)
