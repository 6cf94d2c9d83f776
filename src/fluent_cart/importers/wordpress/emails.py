"""Assign a valid e-mail address to each customer and user, which no other row has.

The row with the lowest id keeps its address. A later row gets its id in the name, ``name+67@example.com``,
which at most mail servers is the same mailbox, and never that of a stranger.

See docs/decisions.md#13-e-mail-addresses and #42-duplicate-addresses-in-imports.
"""

from collections.abc import Iterable, Iterator

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, update

from fluent_cart.database.prepared import Record
from fluent_cart.importers.wordpress.conflicts import Claimed, find_conflicts
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.staging import BATCH
from fluent_cart.models import Customer, User
from fluent_cart.schemas.base import Email
from fluent_cart.services.users import key

_email = TypeAdapter(Email)


def checked(text: str | None) -> str | None:
    """Return an address as the API would store it, or None if the API would reject it."""
    try:
        return _email.validate_python(text)
    except ValidationError:
        return None


def collect(run: ImportContext, kind: str, column: str) -> None:
    """Find the owner of each address, before any row gets a replacement."""
    cursor = run.staging.execute(f"SELECT id, {column} FROM {kind} ORDER BY id")  # noqa: S608  # names of ours
    while rows := cursor.fetchmany(BATCH):
        valid = [(row_id, email) for row_id, text in rows if (email := checked(text))]
        run.staging.execute_many("INSERT INTO emails VALUES (?, ?, ?)", ((kind, *row) for row in valid))
        run.staging.execute_many(
            "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)",
            ((_claim(kind), key(email), row_id) for row_id, email in valid),
        )


def email_for(run: ImportContext, kind: str, values: Values, email: str | None) -> str:
    """Return the address of a row of the source: its own or its replacement."""
    if email is None:
        values.record_issue(DataIssue.INVALID_EMAIL)
        return _placeholder_email(kind, values.id)
    if run.staging.owner(_claim(kind), key(email)) == values.id:
        return email
    values.record_issue(DataIssue.DUPLICATE_EMAIL)
    found = _alternatives(kind, values.id, email)
    return next(other for other in found if run.staging.claim(_claim(kind), key(other), values.id))


async def resolve_conflicts(
    run: ImportContext, kind: str, claimed: Claimed, records: list[Record]
) -> list[int]:
    """Assign another address to each imported row whose address is used here already.

    Return the rows here that will get another address later in this import, and must lose theirs first.
    """
    found = await find_conflicts(run, claimed, {key(record["email"]): record["id"] for record in records})
    for record in records:
        if key(record["email"]) not in found.kept:
            continue
        run.report.note(kind, DataIssue.DUPLICATE_EMAIL, record["id"])
        for other in _alternatives(kind, record["id"], record["email"]):
            here = await find_conflicts(run, claimed, {key(other): record["id"]})
            if not here.kept and run.staging.claim(_claim(kind), key(other), record["id"]):
                record["email"] = other
                break
    return found.reassigned


def assign_temporary_emails(
    connection: Connection, model: type[Customer] | type[User], row_ids: Iterable[int]
) -> None:
    """Replace the addresses of rows by placeholders, which the rows have between two batches."""
    for row_id in row_ids:
        address = f"moving-{row_id}@import.invalid"
        moved = update(model).where(model.id == row_id)
        connection.execute(moved.values(email=address, email_key=address))


def _claim(kind: str) -> str:
    return f"{kind} email"


def _placeholder_email(kind: str, row_id: int) -> str:
    return f"{kind.removesuffix('s')}-{row_id}@import.invalid"


def _alternatives(kind: str, row_id: int, email: str) -> Iterator[str]:
    name, _, domain = email.rpartition("@")
    for number in ("", "-2", "-3", "-4", "-5"):
        # A name that is too long is not a valid one.
        if alternative := checked(f"{name}+{row_id}{number}@{domain}"):
            yield alternative
    yield _placeholder_email(kind, row_id)
