"""Import customers.

See docs/decisions.md#10-limits-of-texts, #11-list-of-customers, #12-creation-of-a-customer and
#13-e-mail-addresses.
"""

from collections.abc import Collection
from functools import partial
from typing import Any

from sqlalchemy import Connection, update

from fluent_cart.database.prepared import Record
from fluent_cart.enums import CustomerStatus
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.wordpress import additional_info, emails
from fluent_cart.importers.wordpress.conflicts import Claimed, find_conflicts
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.upsert import (
    AbsentColumns,
    Complete,
    Identity,
    UpsertResult,
    stored_rows,
    upsert,
)
from fluent_cart.models import Customer
from fluent_cart.services.customers import derived_columns
from fluent_cart.services.erasure import erased_ids
from fluent_cart.services.folding import email_key
from fluent_cart.services.merged_customers import survivors_of

KIND = "customers"
STATUSES = frozenset(CustomerStatus)

_STATEMENT = f"""
SELECT customers.*, emails.email AS valid_email,
    EXISTS (SELECT 1 FROM imported WHERE kind = 'users' AND imported.id = user_id) AS has_user,
    EXISTS (SELECT 1 FROM customer_addresses WHERE customer_id = customers.id) AS has_address
FROM customers LEFT JOIN emails ON emails.kind = '{KIND}' AND emails.id = customers.id ORDER BY customers.id
"""  # noqa: S608
_EMAILS = Claimed(Customer, Customer.email_key.expression, KIND, "created_at")
_USERS = Claimed(Customer, Customer.user_id.expression, KIND, "created_at")


async def import_customers(run: ImportContext) -> None:
    """Import all customers, with all that becomes their additional info."""
    await run.reserve_ids(Customer, KIND)
    emails.collect(run, KIND, "email")
    run.erased = await run.look(erased_ids)
    for every in run.batches(KIND, _STATEMENT):
        batch = _without_erased(run, every)
        if not batch:
            continue
        sources = additional_info.Sources(run, batch[0]["id"], batch[-1]["id"])
        absent: dict[int, set[str]] = {}
        merged = await _skip_merged(run, [row["id"] for row in batch])
        customers = [_customer(run, row, sources, absent) for row in batch if row["id"] not in merged]
        reassigned = await emails.resolve_conflicts(run, KIND, _EMAILS, customers)
        leaving = await _resolve_user_conflicts(run, customers)
        outcome = await run.write_batch(
            _import_batch,
            customers,
            reassigned,
            leaving,
            absent,
            partial(_complete, silent=additional_info.silent(run)),
            update_existing=run.options.update,
            writing=not run.options.dry_run,
        )
        run.record_result(KIND, outcome)
        for customer_id, status in outcome.statuses.items():
            differs = "additional_info" in outcome.differences.get(customer_id, {"additional_info"})
            sources.account(customer_id, status if differs else RowStatus.UNCHANGED)
    additional_info.account_for_the_rest(run)


async def _skip_merged(run: ImportContext, customer_ids: list[int]) -> Collection[int]:
    """Report and return the customers that were merged here. Their ids are never used again."""
    survivors = await run.look(survivors_of, customer_ids)
    run.staging.execute_many("INSERT INTO merged VALUES (?, ?)", survivors.items())
    for customer_id in survivors:
        run.report.skip(KIND, DataIssue.MERGED, customer_id)
    return survivors


def _without_erased(run: ImportContext, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Skip the customers who are erased here. Their orders still belong to them."""
    for row in batch:
        if row["id"] in run.erased:
            run.report.skip(KIND, DataIssue.ERASED, row["id"])
            run.staging.upsert(KIND, [row["id"]])
    return [row for row in batch if row["id"] not in run.erased]


def _customer(
    run: ImportContext, row: dict[str, Any], sources: additional_info.Sources, absent: dict[int, set[str]]
) -> Record:
    values = run.values(KIND, row)
    absent[values.id] = values.absent
    email = emails.email_for(run, KIND, values, row["valid_email"])
    status, unknown_status = _status(values)
    created_at, updated_at = values.times()
    kept = {
        "email": values.text("email", 255) if row["valid_email"] is None else "",
        "status": unknown_status,
        **_place(values),
    }
    return {
        "id": values.id,
        "email": email,
        "first_name": values.text("first_name", 255),
        "last_name": values.text("last_name", 255),
        "status": status,
        "user_id": _user_id(run, values),
        "additional_info": sources.info(values, {key: text for key, text in kept.items() if text}),
        "created_at": created_at,
        "updated_at": updated_at,
    }


def _status(values: Values) -> tuple[str, str]:
    """Return the status, and the text of the source if it is an unknown status."""
    text = values.text("status", 45)
    if text.lower() in STATUSES:
        return text.lower(), ""
    if text:
        values.record_issue(DataIssue.UNKNOWN_STATUS)
        return CustomerStatus.INACTIVE.value, text
    values.record_issue(DataIssue.EMPTY_STATUS)
    return CustomerStatus.ACTIVE.value, ""


def _place(values: Values) -> dict[str, str]:
    """Return a customer's own place. It is a copy of an address, unless there is none."""
    place = {column: values.text(column, 100) for column in additional_info.PLACE}
    if values.get("has_address") or not any(place.values()):
        return {}
    values.record_issue(DataIssue.PLACE_ALONE)
    return place


def _user_id(run: ImportContext, values: Values) -> int | None:
    user_id = values.foreign_key("user_id")
    if user_id is None:
        return None
    if run.staging.is_missing("users"):
        values.absent.add("user_id")
    if not values.get("has_user"):
        values.record_issue(DataIssue.STALE_USER)
        return None
    if not run.staging.claim("customer of user", user_id, values.id):
        values.record_issue(DataIssue.USER_TAKEN)
        return None
    return user_id


async def _resolve_user_conflicts(run: ImportContext, customers: list[Record]) -> list[int]:
    """Detach the users who are attached to another customer here. Return the customers that lose a user."""
    wanted = {customer["user_id"]: customer["id"] for customer in customers if customer["user_id"]}
    found = await find_conflicts(run, _USERS, wanted)
    for customer in customers:
        if customer["user_id"] in found.kept:
            run.report.note(KIND, DataIssue.USER_TAKEN, customer["id"])
            customer["user_id"] = None
    return found.reassigned


def _import_batch(
    connection: Connection,
    customers: list[Record],
    reassigned: list[int],
    leaving: list[int],
    absent: AbsentColumns,
    complete: Complete,
    *,
    update_existing: bool,
    writing: bool,
) -> UpsertResult:
    if writing:
        emails.assign_temporary_emails(connection, Customer, reassigned)
        if leaving:
            connection.execute(update(Customer).where(Customer.id.in_(leaving)).values(user_id=None))
    return upsert(
        connection,
        Customer,
        [{**customer, "email_key": email_key(customer["email"])} for customer in customers],
        stored_rows(connection, Customer, customers),
        Identity(["created_at", "email_key"]),
        update_existing=update_existing,
        writing=writing,
        absent=absent,
        complete=complete,
    )


def _complete(customer: Record, stored: Record | None, silent: Collection[str]) -> Record:
    """Add the values that the source does not have: the phone, and additional info that was added here.

    ``silent`` columns are missing in the source.
    """
    row = {"phone": stored and stored["phone"], **customer}
    if stored:
        before, imported = stored["additional_info"], customer["additional_info"]
        staying = {
            **additional_info.without_reserved_keys(before),
            **{key: before[key] for key in silent if key in before},
        }
        said = {key: value for key, value in imported.items() if key not in silent}
        row["additional_info"] = {**staying, **said}
    return {**row, **derived_columns(row)}
