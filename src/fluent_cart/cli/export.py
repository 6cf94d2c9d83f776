"""fluent-cart export."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from pydantic import ValidationError
from sqlalchemy import Connection

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, WrongUsage, print_result
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database.backup import require_foreign
from fluent_cart.enums import CustomerStatus, FileFormat, SortDirection, SortField
from fluent_cart.formats.atomic_file import atomic_write
from fluent_cart.formats.input_file import STDIO, name_without_compression
from fluent_cart.formats.row_writer import OnLines, Pieces
from fluent_cart.schemas.customer_queries import CustomerExportQuery
from fluent_cart.schemas.error_messages import messages_by_field
from fluent_cart.services import customer_export, order_export

ENDINGS = {".csv": FileFormat.CSV, ".ndjson": FileFormat.NDJSON, ".jsonl": FileFormat.NDJSON}

Format = Annotated[
    FileFormat | None,
    typer.Option("--format", help="Format of the file. The default follows the name of the file, or is csv."),
]


def export(
    file: Annotated[str, typer.Argument(help="The file to write. - is standard output.")] = STDIO,
    file_format: Format = None,
    search: Annotated[str, typer.Option(help="Search, as in the list of customers.")] = "",
    status: Annotated[CustomerStatus | None, typer.Option(help="Customers with this status.")] = None,
    date_from: Annotated[str, typer.Option(help="Created on or after this date or time.")] = "",
    date_to: Annotated[str, typer.Option(help="Created on or before this date or time.")] = "",
    total_spent_min: Annotated[str, typer.Option(help="Spent at least this, in cents.")] = "",
    total_spent_max: Annotated[str, typer.Option(help="Spent at most this, in cents.")] = "",
    updated_from: Annotated[str, typer.Option(help="Changed on or after this date or time.")] = "",
    updated_to: Annotated[str, typer.Option(help="Changed on or before this date or time.")] = "",
    last_order_from: Annotated[str, typer.Option(help="Last paid order on or after this date.")] = "",
    last_order_to: Annotated[str, typer.Option(help="Last paid order on or before this date.")] = "",
    order_count_min: Annotated[str, typer.Option(help="At least this many paid orders.")] = "",
    order_count_max: Annotated[str, typer.Option(help="At most this many paid orders.")] = "",
    country: Annotated[str, typer.Option(help="Country code of any address.")] = "",
    order_by: Annotated[SortField, typer.Option(help="The field to sort by.")] = SortField.ID,
    order_type: Annotated[
        SortDirection, typer.Option(help="The sort direction.", case_sensitive=False)
    ] = SortDirection.DESC,
    orders: Annotated[bool, typer.Option("--orders", help="Write all orders, not customers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the customers of a list, or all orders, into a file. The file has one state of the shop.

    Example: fluent-cart export customers.csv
    """
    chosen = format_of(file, file_format)
    filters = {
        "status": status,
        "date_from": date_from,
        "date_to": date_to,
        "total_spent_min": total_spent_min,
        "total_spent_max": total_spent_max,
        "updated_from": updated_from,
        "updated_to": updated_to,
        "last_order_from": last_order_from,
        "last_order_to": last_order_to,
        "order_count_min": order_count_min,
        "order_count_max": order_count_max,
        "country": country,
    }
    if orders and (search or any(filters.values())):
        raise WrongUsage("--orders writes all orders. Leave out --search and the filters")
    query = _query(search=search, filters=filters, order_by=order_by, order_type=order_type, format=chosen)

    def pieces(connection: Connection, on_lines: OnLines) -> Pieces:
        if orders:
            return order_export.export_orders(connection, chosen, on_lines)
        return customer_export.export_customers(connection, query, on_lines)

    def write(connection: Connection) -> int:
        done = 0

        def on_lines(number: int) -> None:
            nonlocal done
            done += number
            bar.show(kind, done)

        with _opened(file) as stream, ProgressBar() as bar:
            for piece in pieces(connection, on_lines):
                stream.write(piece)
        # The first line of CSV has the columns' names.
        return done - (chosen is FileFormat.CSV)

    kind = "orders" if orders else "customers"
    rows = runner.read(write)
    if file != STDIO:
        print_result(
            f"{file} has {rows} {kind}.", {"file": file, "kind": kind, "rows": rows}, as_json=as_json
        )


def format_of(file: str, chosen: FileFormat | None) -> FileFormat:
    """Return the chosen format, or that of the file's name."""
    return chosen or ENDINGS.get(Path(name_without_compression(file)).suffix.lower(), FileFormat.CSV)


def _query(**values: Any) -> CustomerExportQuery:
    try:
        return CustomerExportQuery.model_validate(values)
    except ValidationError as error:
        (field, (text, *_)), *_ = messages_by_field(error.errors(), whole="query").items()
        option = field.removeprefix("filters.").replace("_", "-")
        raise WrongUsage(f"--{option}: {text}") from None


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    """Yield the stream to write to.

    A file gets its name when it is complete, and only its owner can read it.
    """
    if file == STDIO:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        require_foreign(Path(file), runner.read_settings().database_url)
        with (
            runner.exit_on_sigterm(),
            atomic_write(Path(file)) as unfinished,
            unfinished.open("wb") as stream,
        ):
            yield stream
