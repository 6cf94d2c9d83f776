"""Import the addresses of customers. The list of a line replaces all addresses of the customer.

See docs/decisions.md#19-primary-address and #63-imported-values.
"""

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.importers.row_status import differences
from fluent_cart.importers.rows.outcome import RowErrors, SeenValues, batched
from fluent_cart.models import Address, Base
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.schemas.rows import AddressRow, CustomerRow
from fluent_cart.services.bulk_rows import insert_rows, update_rows
from fluent_cart.services.customers import pick

_TABLE = Base.metadata.tables[Address.__tablename__]
_COLUMNS = (*AddressCreate.model_fields, "updated_at")


@dataclass
class AddressPlan:
    """The changes that replace a customer's addresses by those of a line."""

    new: list[Record] = field(default_factory=list)
    changed: list[Record] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.removed)


class Addresses:
    """The stored addresses of a batch's customers, and the owners of addresses that its lines name."""

    def __init__(
        self,
        connection: Connection,
        rows: Iterable[CustomerRow],
        customer_ids: Iterable[int],
        seen: SeenValues,
    ) -> None:
        self._here: dict[int, dict[int, Record]] = defaultdict(dict)
        owners: dict[int, int | None] = {}
        for some in batched(customer_ids):
            for row in connection.execute(_of_columns("customer_id", some)).mappings():
                self._here[row["customer_id"]][row["id"]] = dict(row)
        named = {address.id for row in rows for address in row.addresses if address.id is not None}
        for named_ids in batched(named):
            found = connection.execute(_of_columns("id", named_ids)).mappings()
            owners |= {row["id"]: row["customer_id"] for row in found}
        self.owners: ChainMap[int, int | None] = ChainMap({}, seen.addresses, owners)

    def plan(self, customer_id: int, rows: Sequence[AddressRow], errors: RowErrors) -> AddressPlan:
        """Return the changes that make ``rows`` the addresses of a customer. Add errors of the rows."""
        here = self._here.get(customer_id, {})
        ids = _ids(rows, here)
        for place, row_id in enumerate(ids):
            if row_id is not None and self.owners.get(row_id) not in (None, customer_id):
                errors.add(f"addresses.{place}.id", "The address belongs to another customer")
            if row_id is not None and row_id in ids[:place]:
                errors.add(f"addresses.{place}.id", "The address is there twice")
        if sum(row.is_primary for row in rows) > 1:
            errors.add("addresses", "Only one address can be the primary one")
        plan = AddressPlan(removed=[row_id for row_id in here if row_id not in ids])
        primary = _primary(rows, ids, here)
        for place, (row, row_id) in enumerate(zip(rows, ids, strict=True)):
            stored = here.get(row_id or 0)
            given = row.model_dump(exclude_unset=bool(stored), exclude={"id"})
            given["is_primary"] = place == primary
            if stored is None:
                made = {**given, "customer_id": customer_id, "created_at": now(), "updated_at": now()}
                plan.new.append({"id": row_id, **made} if row_id else made)
            elif differences(stored, given):
                plan.changed.append({**stored, **given, "updated_at": now()})
        return plan

    def claim(self, customer_id: int, rows: Sequence[AddressRow], plan: AddressPlan) -> None:
        """Store the result of a line, for the lines after it."""
        self.owners.update(dict.fromkeys(plan.removed))
        self.owners.update({row.id: customer_id for row in rows if row.id is not None})


def _of_columns(column: str, values: Sequence[int]):  # type: ignore[no-untyped-def]
    return select(_TABLE).where(_TABLE.c[column].in_(values)).order_by(_TABLE.c.id)


def _ids(rows: Sequence[AddressRow], here: dict[int, Record]) -> list[int | None]:
    """Return the ids of rows. A row without an id gets the id of an equal address, if there is one.

    Otherwise each import of the same file would create the same addresses again.
    """
    named = {row.id for row in rows}
    others = {row_id: stored for row_id, stored in here.items() if row_id not in named}
    ids: list[int | None] = []
    for row in rows:
        row_id = row.id
        if row_id is None:
            given = row.model_dump(exclude_unset=True, exclude={"id", "is_primary"})
            row_id = next((each for each, stored in others.items() if not differences(stored, given)), None)
            others.pop(row_id or 0, None)
        ids.append(row_id)
    return ids


def _primary(rows: Sequence[AddressRow], ids: Sequence[int | None], here: dict[int, Record]) -> int:
    """Return the index of the primary address: the marked one, or the present one, or the first."""
    chosen = [place for place, row in enumerate(rows) if row.is_primary]
    is_now = [place for place, row_id in enumerate(ids) if here.get(row_id or 0, {}).get("is_primary")]
    return next(iter([*chosen, *is_now]), 0)


def write_addresses(connection: Connection, plans: Sequence[AddressPlan]) -> None:
    """Write the planned changes. First remove the old primary mark, because two are not allowed."""
    for removed in batched(row_id for plan in plans for row_id in plan.removed):
        connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(removed)))
    changed = sorted((row for plan in plans for row in plan.changed), key=lambda row: bool(row["is_primary"]))
    update_rows(connection, Address, [pick(row, "id", *_COLUMNS) for row in changed])
    insert_rows(connection, Address, [row for plan in plans for row in plan.new])
