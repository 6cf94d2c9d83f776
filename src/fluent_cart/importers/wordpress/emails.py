"""E-mail addresses: valid, and each of one customer or one user alone.

The first to ask is the one with the lowest id. A later one keeps its address with its id in the name,
``name+67@example.com``, which at most mail servers is the same mailbox, and never a stranger's.

See docs/decisions.md#13-e-mail-addresses and #42-duplicate-addresses-in-imports.
"""

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from fluent_cart.database.prepared import Record
from fluent_cart.importers.wordpress.conflicts import Claimed, others
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.staging import BATCH
from fluent_cart.schemas.base import Email
from fluent_cart.services.users import key

_email = TypeAdapter(Email)


def checked(text: str | None) -> str | None:
    """Return an address as the API would store it; None for what it would refuse."""
    try:
        return _email.validate_python(text)
    except ValidationError:
        return None


def collect(run: ImportContext, kind: str, column: str) -> None:
    """Find out who owns which address, before any has to give way."""
    cursor = run.staging.execute(f"SELECT id, {column} FROM {kind} ORDER BY id")  # noqa: S608  # names of ours
    while rows := cursor.fetchmany(BATCH):
        valid = [(row_id, email) for row_id, text in rows if (email := checked(text))]
        run.staging.execute_many("INSERT INTO emails VALUES (?, ?, ?)", ((kind, *row) for row in valid))
        run.staging.execute_many(
            "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)",
            ((_claim(kind), key(email), row_id) for row_id, email in valid),
        )


def own(run: ImportContext, kind: str, values: Values, email: str | None) -> str:
    """Return the address that a row of the source has, or gets."""
    if email is None:
        values.note(DataIssue.INVALID_EMAIL)
        return _stand_in(kind, values.id)
    if run.staging.owner(_claim(kind), key(email)) == values.id:
        return email
    values.note(DataIssue.DUPLICATE_EMAIL)
    found = _alternatives(kind, values.id, email)
    return next(other for other in found if run.staging.claim(_claim(kind), key(other), values.id))


async def resolve_conflicts(
    run: ImportContext, kind: str, claimed: Claimed, records: list[Record]
) -> list[int]:
    """Give another address to whom somebody here is in the way of.

    Return those here who will get another one themselves later in this import, and have to let go of theirs.
    """
    found = await others(run, claimed, {key(record["email"]): record["id"] for record in records})
    for record in records:
        if key(record["email"]) not in found.staying:
            continue
        run.report.note(kind, DataIssue.DUPLICATE_EMAIL, record["id"])
        for other in _alternatives(kind, record["id"], record["email"]):
            here = await others(run, claimed, {key(other): record["id"]})
            if not here.staying and run.staging.claim(_claim(kind), key(other), record["id"]):
                record["email"] = other
                break
    return found.moving


def on_the_move(row_id: int) -> str:
    """Return what stands for the address of a row between two batches."""
    return f"moving-{row_id}@import.invalid"


def _claim(kind: str) -> str:
    return f"{kind} email"


def _stand_in(kind: str, row_id: int) -> str:
    return f"{kind.removesuffix('s')}-{row_id}@import.invalid"


def _alternatives(kind: str, row_id: int, email: str) -> Iterator[str]:
    name, _, domain = email.rpartition("@")
    for number in ("", "-2", "-3", "-4", "-5"):
        # Too long a name is none.
        if alternative := checked(f"{name}+{row_id}{number}@{domain}"):
            yield alternative
    yield _stand_in(kind, row_id)
