"""fluent-cart personal-data, erase."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, print_result
from fluent_cart.database import create_database
from fluent_cart.database.backup import require_foreign
from fluent_cart.formats.atomic_file import atomic_write
from fluent_cart.schemas.base import MAX_ID
from fluent_cart.services import erasure
from fluent_cart.services.personal_data import get_personal_data


def personal_data(
    customer_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, help="The customer's ID.")],
    file: Annotated[Path, typer.Argument(help="File to write. Only its owner can read it.")],
    as_json: AsJson = False,
) -> None:
    """Write everything that the shop holds about a customer into a file of JSON.

    Example: fluent-cart personal-data 1 customer-1.json
    """
    require_foreign(file, runner.read_settings().database_url)
    data = runner.read(get_personal_data, customer_id)
    with runner.exit_on_sigterm(), atomic_write(file) as unfinished:
        unfinished.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print_result(
        f"{file} has everything about customer {customer_id}.",
        {"id": customer_id, "file": str(file)},
        as_json=as_json,
    )


def erase(
    customer_ids: Annotated[list[int], typer.Argument(min=1, max=MAX_ID, help="IDs of customers.")],
    as_json: AsJson = False,
) -> None:
    """Remove everything that identifies customers, for good. Their orders and totals stay.

    The remains of deleted and erased customers in the files of the database are removed, too.

    Example: fluent-cart erase 1
    """
    runner.write(erasure.erase_customers, customer_ids)
    database = create_database(runner.read_settings())
    try:
        database.remove_remains()
    finally:
        database.stop()
    names = ", ".join(map(str, customer_ids))
    print_result(f"Erased: {names}. Backups still hold the data.", {"ids": customer_ids}, as_json=as_json)
