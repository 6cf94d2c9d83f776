"""fluent-cart duplicates and merge."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, WrongUsage, print_json, print_line, print_warning, table
from fluent_cart.database.prepared import Record
from fluent_cart.enums import DuplicateReason
from fluent_cart.schemas.base import MAX_ID
from fluent_cart.schemas.duplicates import DuplicatesQuery
from fluent_cart.schemas.merge import CustomerMerge
from fluent_cart.services.duplicates import list_duplicates
from fluent_cart.services.merge import merge_customers


def duplicates(
    reason: Annotated[DuplicateReason | None, typer.Option(help="Groups of this reason alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Largest number of groups.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List groups of customers who may be the same person: same mailbox, phone, or name and postcode.

    Example: fluent-cart duplicates --reason phone
    """
    found, has_more = runner.read(_read_groups, reason, limit)
    if as_json:
        print_json({"duplicates": found, "has_more": has_more})
        return
    rows = [
        {
            "reason": group["reason"],
            "key": group["key"],
            "count": group["count"],
            "ids": _ids(group["customers"]),
        }
        for group in found
    ]
    table(rows, empty="No two customers share a mailbox, a phone, or a name and a postcode.")
    if has_more:
        print_warning(f"There are more than {limit} groups. Merge these, then list again")


def _read_groups(
    connection: Connection, reason: DuplicateReason | None, limit: int
) -> tuple[list[Record], bool]:
    """Return groups, and whether there are more than ``limit``."""
    found, cursor = list[Record](), ""
    while len(found) < limit:
        given = {"reason": reason, "cursor": cursor, "per_page": limit - len(found)}
        groups, next_cursor = list_duplicates(connection, DuplicatesQuery.model_validate(given))
        found += groups
        if next_cursor is None:
            return found, False
        cursor = next_cursor
    return found, True


def _ids(customers: list[dict[str, object]]) -> str:
    return " ".join(str(customer["id"]) for customer in customers)


CustomerId = Annotated[int, typer.Argument(min=1, max=MAX_ID, help="The customer that stays.")]
FromId = Annotated[int, typer.Argument(min=1, max=MAX_ID, help="The customer that is merged into it.")]


def merge(
    customer_id: CustomerId,
    from_id: FromId,
    user_id: Annotated[
        int | None, typer.Option(min=1, max=MAX_ID, help="The user that stays, if both have one.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Print the result, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Merge two customers. The first gets the data of the second, and the second is removed.

    Example: fluent-cart merge 1 40 --preview
    """
    if customer_id == from_id:
        raise WrongUsage("A customer cannot be merged into itself. Name two customers")
    body = CustomerMerge(from_id=from_id, user_id=user_id, preview=preview)
    done = runner.write(merge_customers, customer_id, body)
    if as_json:
        print_json(done)
        return
    fields = ", ".join(done["changed_fields"]) or "none"
    verb = "would be" if preview else "is"
    print_line(
        f"Customer {from_id} {verb} merged into customer {customer_id}. Orders moved: {done['moved_orders']}."
        f" Addresses moved: {done['moved_addresses']}, joined: {done['joined_addresses']}."
        f" Fields changed: {fields}."
    )
