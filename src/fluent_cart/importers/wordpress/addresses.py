"""Addresses of customers.

See docs/decisions.md#18-fields-of-an-address, #19-primary-address and #43-replacement-values-in-imports.
"""

from itertools import groupby
from typing import Any, NamedTuple

import orjson
import pycountry
from sqlalchemy import Connection, case, func, select, update

from fluent_cart.database.prepared import Record
from fluent_cart.enums import AddressType
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.upsert import Identity, UpsertResult, stored_rows, upsert
from fluent_cart.models import Address
from fluent_cart.schemas.addresses import COUNTRIES
from fluent_cart.services.customers import lock_customers

KIND = "customer_addresses"
TYPES = frozenset(AddressType)
IDENTITY = Identity(["created_at"], otherwise=["customer_id"])

_STATEMENT = f"""
SELECT * FROM {KIND}
WHERE EXISTS (SELECT 1 FROM imported WHERE kind = 'customers' AND imported.id = customer_id)
ORDER BY customer_id, id
"""  # noqa: S608


class Candidate(NamedTuple):
    """An address, and its rank as the primary one. The lowest rank is the best."""

    row: Record
    rank: tuple[bool, bool, bool, int]
    # The columns that the source does not have.
    absent: set[str]


async def import_addresses(run: ImportContext) -> None:
    """Import the addresses of all imported customers. One transaction has all addresses of a customer."""
    await run.reserve_ids(Address, KIND)
    for batch in run.batches(KIND, _STATEMENT, together="customer_id"):
        candidates = [_candidate(run, row) for row in batch if row["customer_id"] not in run.erased]
        for row in batch:
            if row["customer_id"] in run.erased:
                run.report.skip(KIND, DataIssue.ERASED, row["id"])
        _note_primaries(run, candidates)
        outcome = await run.write_batch(
            _import_batch, candidates, update_existing=run.options.update, writing=not run.options.dry_run
        )
        run.record_result(KIND, outcome)
    run.skip_orphans(KIND, "customer_id", "customers")


def _candidate(run: ImportContext, row: dict[str, Any]) -> Candidate:
    values = run.values(KIND, row)
    address_type = values.text("type", 20).lower()
    if address_type not in TYPES:
        values.record_issue(DataIssue.UNKNOWN_TYPE)
        address_type = AddressType.BILLING.value
    is_archived = values.text("status", 20).lower() == "archived"
    if is_archived:
        values.record_issue(DataIssue.ARCHIVED)
    if not values.text("address_1", 255) or not values.text("city", 100):
        values.record_issue(DataIssue.INCOMPLETE)
    meta = _meta(values)
    first_name, last_name = _names(values, meta)
    created_at, updated_at = values.times()
    address = {
        "id": values.id,
        "customer_id": values.get("customer_id"),
        "type": address_type,
        "first_name": first_name,
        "last_name": last_name,
        "company_name": values.fit(_member(meta, "company_name"), 255) or None,
        "address_1": values.text("address_1", 255),
        "address_2": values.text("address_2", 255) or None,
        "city": values.text("city", 100),
        "state": values.text("state", 100),
        "postcode": values.text("postcode", 32),
        "country": _country(values),
        "phone": values.text("phone", 50) or None,
        "created_at": created_at,
        "updated_at": updated_at,
    }
    is_primary = values.foreign_key("is_primary") is not None
    if values.absent & {"name", "meta"}:
        values.absent |= {"first_name", "last_name"}
    if "meta" in values.absent:
        values.absent.add("company_name")
    rank = (not is_primary, is_archived, address_type != AddressType.BILLING, values.id)
    return Candidate(address, rank, values.absent)


def _meta(values: Values) -> dict[str, Any]:
    """Return the JSON that FluentCart stores with an address."""
    try:
        meta = orjson.loads(values.get("meta") or "[]")
    except orjson.JSONDecodeError:
        values.record_issue(DataIssue.UNREADABLE_META)
        return {}
    other = meta.get("other_data") if isinstance(meta, dict) else None
    return other if isinstance(other, dict) else {}


def _member(meta: dict[str, Any], name: str) -> str:
    value = meta.get(name)
    return value if isinstance(value, str) else ""


def _names(values: Values, meta: dict[str, Any]) -> tuple[str, str]:
    """Return first and last name as FluentCart splits them: the last word is the last name."""
    if first_name := values.fit(_member(meta, "first_name"), 255):
        return first_name, values.fit(_member(meta, "last_name"), 255)
    first, _, last = values.text("name", 255).rpartition(" ")
    return (first.strip(), last) if first else (last, "")


def _country(values: Values) -> str:
    text = values.text("country", 100)
    if text.upper() in COUNTRIES:
        return text.upper()
    try:
        found = str(pycountry.countries.lookup(text).alpha_2)
    except LookupError:
        values.record_issue(DataIssue.UNKNOWN_COUNTRY)
        return ""
    values.record_issue(DataIssue.COUNTRY_NAME)
    return found


def _customer_id(candidate: Candidate) -> int:
    return int(candidate.row["customer_id"])


def _note_primaries(run: ImportContext, candidates: list[Candidate]) -> None:
    for customer_id, own in groupby(candidates, _customer_id):
        primaries = sum(not candidate.rank[0] for candidate in own)
        if primaries != 1:
            issue = DataIssue.SEVERAL_PRIMARIES if primaries else DataIssue.NO_PRIMARY
            run.report.note(KIND, issue, customer_id)


def _import_batch(
    connection: Connection, candidates: list[Candidate], *, update_existing: bool, writing: bool
) -> UpsertResult:
    stored = stored_rows(connection, Address, (candidate.row for candidate in candidates))
    customer_ids = {_customer_id(candidate) for candidate in candidates}
    # A customer that loses an address may need another primary one.
    customer_ids |= {row["customer_id"] for row in stored.values()}
    if writing:
        lock_customers(connection, customer_ids)
    columns = Address.__table__.c
    here = dict(
        connection.execute(
            select(columns.customer_id, columns.id).where(
                columns.customer_id.in_(customer_ids), columns.is_primary
            )
        ).all()
    )
    primaries = _choose_primaries(candidates, stored, here, update_existing=update_existing)
    rows = [{**row, "is_primary": row["id"] == primaries[row["customer_id"]]} for row, *_ in candidates]
    if writing and update_existing:
        # First, because two primary addresses are not allowed at a time.
        gone = [row_id for owner, row_id in here.items() if primaries.get(owner, row_id) != row_id]
        connection.execute(update(Address).where(Address.id.in_(gone)).values(is_primary=False))
    # The primary address was chosen above.
    absent = {candidate.row["id"]: candidate.absent - {"is_primary"} for candidate in candidates}
    outcome = upsert(
        connection,
        Address,
        rows,
        stored,
        IDENTITY,
        update_existing=update_existing,
        writing=writing,
        absent=absent,
    )
    if writing:
        _promote(connection, customer_ids)
    return outcome


def _choose_primaries(
    candidates: list[Candidate], stored: dict[int, Record], here: dict[int, int], *, update_existing: bool
) -> dict[int, int | None]:
    """Return the id of each customer's primary address. ``here`` has the present ones."""
    primaries: dict[int, int | None] = {}
    for customer_id, group in groupby(candidates, _customer_id):
        own = list(group)
        possible = [
            candidate
            for candidate in own
            if not (row := stored.get(candidate.row["id"]))
            or not IDENTITY.is_another(row, candidate.row, candidate.absent)
        ]
        says_primary = own[0].absent.isdisjoint({"is_primary", "status", "type"})
        if possible and ((update_existing and says_primary) or customer_id not in here):
            primaries[customer_id] = min(possible, key=lambda candidate: candidate.rank).row["id"]
        else:
            primaries[customer_id] = here.get(customer_id)
    return primaries


def _promote(connection: Connection, customer_ids: set[int]) -> None:
    """Make the oldest address primary for a customer who has lost the primary address to another."""
    orphaned = (
        select(func.min(Address.id))
        .where(Address.customer_id.in_(customer_ids))
        .group_by(Address.customer_id)
        .having(func.sum(case((Address.is_primary, 1), else_=0)) == 0)
    )
    connection.execute(update(Address).where(Address.id.in_(orphaned)).values(is_primary=True))
