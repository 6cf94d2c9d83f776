"""Import the orders of a file: a batch of lines is one unit of work.

See docs/decisions.md#16-totals-of-a-customer and #64-totals-in-file-imports.
"""

from collections import ChainMap, Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, or_, select

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.importers.row_status import RowStatus, differences, status_of
from fluent_cart.importers.rows.outcome import REQUIRED, BatchResult, RowErrors, SeenValues
from fluent_cart.models import Base, Customer, Order
from fluent_cart.schemas.rows import OrderRow
from fluent_cart.services.folding import email_key
from fluent_cart.services.merged_customers import survivors_of
from fluent_cart.services.orders import record_orders

_TABLE = Base.metadata.tables[Order.__tablename__]
# The required fields of an order. Without ``total_paid``, the totals would be wrong.
NEEDED = ("status", "payment_status", "total_amount", "total_paid", "currency")
# The fields that identify an order without an id. If all other fields are equal, too, it is imported already.
IDENTITY = ("customer_id", "created_at", "total_amount", "currency")
STATE = (*IDENTITY, "status", "payment_status", "total_paid", "total_refund")


def import_orders(
    connection: Connection, lines: Mapping[int, OrderRow], seen: SeenValues, *, writing: bool
) -> BatchResult:
    """Import the rows of a batch, by their lines, with the customers' totals. Return the status of each row.

    ``seen`` are the values of earlier lines. Nothing is written unless ``writing``.
    """
    batch = _Batch(connection, lines, seen)
    batch.outcome.plan(lines, batch.plan)
    if writing:
        record_orders(connection, batch.new, batch.changed, batch.former)
    batch.outcome.seen = SeenValues(lines=dict(batch.lines.maps[0]), orders=dict(batch.alike.maps[0]))
    return batch.outcome


class _Batch:
    """The stored rows that a batch refers to, and the planned changes to them."""

    def __init__(self, connection: Connection, rows: Mapping[int, OrderRow], seen: SeenValues) -> None:
        self.outcome = BatchResult()
        self.new: list[Record] = []
        self.changed: list[Record] = []
        self.former: list[int | None] = []
        self.lines = ChainMap[int, int]({}, seen.lines)
        self.alike = ChainMap[tuple[Any, ...], int]({}, seen.orders)
        self._rows = rows
        orders = select(_TABLE).where(_TABLE.c.id.in_([row.id for row in rows.values() if row.id]))
        self._stored = {row["id"]: dict(row) for row in connection.execute(orders).mappings()}
        ids = {row.customer_id for row in rows.values() if row.customer_id}
        # The orders of a merged customer are those of its survivor.
        self._survivors = survivors_of(connection, ids)
        ids = {self._survivors.get(customer_id, customer_id) for customer_id in ids}
        self._customers = set(connection.scalars(select(Customer.id).where(Customer.id.in_(ids))))
        emails = {email_key(row.customer_email) for row in rows.values() if row.customer_email}
        owners = select(Customer.email_key, Customer.id).where(Customer.email_key.in_(emails))
        self._owners: dict[str, int] = dict(connection.execute(owners).all())
        self._here = self._count_orders(connection)

    def _count_orders(self, connection: Connection) -> Counter[tuple[Any, ...]]:
        """Count the stored orders that are equal to those of lines without an id."""
        rows = [row for row in self._rows.values() if not row.id]
        times = {row.created_at for row in rows if row.created_at}
        ids = {*self._customers, *self._owners.values()}
        columns = _TABLE.c
        owners = or_(columns.customer_id.in_(ids), columns.customer_id.is_(None))
        statement = select(_TABLE).where(columns.created_at.in_(times), owners)
        found = connection.execute(statement).mappings().all() if times else []
        return Counter(key for row in found for key in _keys(dict(row)))

    def plan(self, number: int) -> RowStatus:
        """Plan the changes of a line. Raise ``ValidationFailed`` if the line is invalid."""
        row, errors = self._rows[number], RowErrors()
        given = row.model_dump(exclude_unset=True, exclude={"customer_email"})
        stored = self._stored.get(row.id or 0)
        if row.id and (earlier := self.lines.get(row.id)):
            errors.add("id", f"The order is on line {earlier} already")
        elif stored and given.get("created_at", stored["created_at"]) != stored["created_at"]:
            errors.add("id", "The order with this id is another one here: it was created at another time")
        if stored is None:
            _check_new(row, given, errors)
        if "customer_id" in given or "customer_email" in row.model_fields_set:
            given["customer_id"] = self._customer(row, errors)
        errors.raise_any()
        if row.id:
            self.lines[row.id] = number
        time = now()
        if stored is None:
            new = {"customer_id": None, "total_refund": 0, "created_at": time, "updated_at": time, **given}
            if not row.id and self._is_here(new):
                return RowStatus.UNCHANGED
            self.new.append(new)
            return RowStatus.WRITTEN
        differs = differences(stored, given)
        if differs:
            self.changed.append({**stored, "updated_at": time, **given})
            self.former.append(stored["customer_id"])
        return status_of(stored, differs)

    def _is_here(self, order: Record) -> bool:
        """Return whether an order without an id was imported before.

        Raise ``ValidationFailed`` if it was changed.

        A file may have several equal orders: the second one in the file is the second stored one.
        """
        identity, state = _keys(order)
        for key in (identity, state):
            self.alike[key] = self.alike.get(key, 0) + 1
        if self.alike[state] <= self._here[state]:
            return True
        if self.alike[identity] <= self._here[identity]:
            text = "An order of this customer, time and amount exists, but differs. Add its id to change it"
            RowErrors({"id": [text]}).raise_any()
        return False

    def _customer(self, row: OrderRow, errors: RowErrors) -> int | None:
        """Return the customer of an order. Two names in a line must be of the same customer."""
        named = self._survivors.get(row.customer_id or 0, row.customer_id)
        owner = self._owners.get(email_key(row.customer_email)) if row.customer_email else named
        if "customer_email" in row.model_fields_set and not row.customer_email and row.customer_id is None:
            errors.add("customer_email", REQUIRED)
        if row.customer_email and owner is None:
            errors.add("customer_email", "No customer has this email address")
        if named and named not in self._customers:
            errors.add("customer_id", f"Customer with ID {row.customer_id} not found")
        elif named and owner not in (None, named):
            errors.add("customer_email", "The email address belongs to another customer")
        return named or owner


def _check_new(row: OrderRow, given: Record, errors: RowErrors) -> None:
    """Find out whether a line has all that a new order needs."""
    for name in NEEDED:
        # An order with an id comes from an export, maybe of a shop that was imported from WordPress.
        if name not in given or (given[name] == "" and not row.id):
            errors.add(name, REQUIRED)
    if not row.id and not row.created_at:
        errors.add("created_at", "Is required without an id: nothing else tells orders apart")


def _keys(order: Record) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the values that identify an order, and the values that must be equal."""
    return tuple(order[name] for name in IDENTITY), tuple(order[name] for name in STATE)
