"""Orders of a file into the shop: a batch of lines is one unit of work (decisions 16, 64)."""

from collections import ChainMap
from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.importers.rows.outcome import REQUIRED, Claims, Fate, Faults, Outcome, differs
from fluent_cart.models import Base, Customer, Order
from fluent_cart.schemas.rows import OrderRow
from fluent_cart.services.orders import record_orders

_TABLE = Base.metadata.tables[Order.__tablename__]
# What an order cannot do without. Who sends no ``total_paid`` would not get the totals that are meant.
NEEDED = ("status", "payment_status", "total_amount", "total_paid", "currency")


def import_orders(
    connection: Connection, lines: Mapping[int, OrderRow], claims: Claims, *, writing: bool
) -> Outcome:
    """Bring the rows of a batch, by their lines, with their customers' totals; tell what becomes of each.

    ``claims`` are those of earlier lines. Nothing is written unless ``writing``.
    """
    batch = _Batch(connection, lines, claims)
    batch.outcome.plan(lines, batch.plan)
    if writing:
        record_orders(connection, batch.new, batch.changed, batch.former)
    batch.outcome.claims = Claims(lines=dict(batch.lines.maps[0]))
    return batch.outcome


class _Batch:
    """What is here of what the lines speak of, and what is to become of it."""

    def __init__(self, connection: Connection, rows: Mapping[int, OrderRow], claims: Claims) -> None:
        self.outcome = Outcome()
        self.new: list[Record] = []
        self.changed: list[Record] = []
        self.former: list[int | None] = []
        self.lines = ChainMap[int, int]({}, claims.lines)
        self._rows = rows
        orders = select(_TABLE).where(_TABLE.c.id.in_([row.id for row in rows.values() if row.id]))
        self._stored = {row["id"]: dict(row) for row in connection.execute(orders).mappings()}
        ids = {row.customer_id for row in rows.values() if row.customer_id}
        self._customers = set(connection.scalars(select(Customer.id).where(Customer.id.in_(ids))))
        emails = {row.customer_email.lower() for row in rows.values() if row.customer_email}
        email = func.lower(Customer.email)
        owners = connection.execute(select(email, Customer.id).where(email.in_(emails))).all()
        self._owners: dict[str, int] = dict(owners)

    def plan(self, number: int) -> Fate:
        """Find out what a line changes; ``ValidationFailed`` if it cannot be."""
        row, faults = self._rows[number], Faults()
        given = row.model_dump(exclude_unset=True, exclude={"customer_email"})
        stored = self._stored.get(row.id or 0)
        if row.id and (earlier := self.lines.get(row.id)):
            faults.add("id", f"The order is on line {earlier} already")
        elif stored and given.get("created_at", stored["created_at"]) != stored["created_at"]:
            faults.add("id", "The order with this id is another one here: it was created at another time")
        if stored is None:
            for name in NEEDED:
                if name not in given:
                    faults.add(name, REQUIRED)
        if "customer_id" in given or "customer_email" in row.model_fields_set:
            given["customer_id"] = self._customer(row, faults)
        faults.raise_any()
        if row.id:
            self.lines[row.id] = number
        time = now()
        if stored is None:
            self.new.append(
                {"customer_id": None, "total_refund": 0, "created_at": time, "updated_at": time, **given}
            )
            return Fate.WRITTEN
        if not differs(stored, given):
            return Fate.UNCHANGED
        self.changed.append({**stored, "updated_at": time, **given})
        self.former.append(stored["customer_id"])
        return Fate.CHANGED

    def _customer(self, row: OrderRow, faults: Faults) -> int | None:
        """Return whose order it is; both ways to say so must name the same customer."""
        owner = self._owners.get(row.customer_email.lower()) if row.customer_email else row.customer_id
        if row.customer_email and owner is None:
            faults.add("customer_email", "No customer has this email address")
        if row.customer_id and row.customer_id not in self._customers:
            faults.add("customer_id", f"Customer with ID {row.customer_id} not found")
        elif row.customer_id and owner not in (None, row.customer_id):
            faults.add("customer_email", "The email address belongs to another customer")
        return row.customer_id or owner
