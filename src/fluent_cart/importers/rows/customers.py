"""Import the customers of a file: a batch of lines is one unit of work.

Each line is compared with the shop as the lines before left it. The changes of all lines are planned before
the first write, so that a dry run reports the same.

See docs/decisions.md#62-import-of-rows, #63-imported-values and #64-totals-in-file-imports.
"""

from collections import ChainMap
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, insert, or_, select

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.enums import CustomerStatus
from fluent_cart.importers.row_status import RowStatus, differences
from fluent_cart.importers.rows.addresses import Addresses, AddressPlan, write_addresses
from fluent_cart.importers.rows.outcome import REQUIRED, BatchResult, RowErrors, SeenValues
from fluent_cart.models import Base, Customer, User
from fluent_cart.schemas.rows import CustomerRow
from fluent_cart.services.bulk_rows import insert_rows, update_rows
from fluent_cart.services.customers import DERIVED, derived_columns, pick
from fluent_cart.services.erasure import is_erased
from fluent_cart.services.folding import email_key
from fluent_cart.services.merged_customers import survivors_of

_TABLE = Base.metadata.tables[Customer.__tablename__]
_NEW: Record = {
    "first_name": "",
    "last_name": "",
    "phone": None,
    "status": CustomerStatus.ACTIVE,
    "user_id": None,
    "additional_info": {},
}
_COLUMNS = ("email", *_NEW, *DERIVED, "created_at", "updated_at")


def import_customers(
    connection: Connection, lines: Mapping[int, CustomerRow], seen: SeenValues, *, writing: bool
) -> BatchResult:
    """Import the rows of a batch, by their lines, and return the status of each.

    ``seen`` are the values of earlier lines. Nothing is written unless ``writing``.
    """
    batch = _Batch(connection, lines, seen, locking=writing)
    batch.outcome.plan(lines, batch.plan)
    if writing:
        batch.write(connection)
    batch.outcome.seen = batch.seen
    return batch.outcome


class _Planned(NamedTuple):
    """A customer after a line. ``id`` is negative if the customer gets its id only when it is written."""

    id: int
    values: Record
    # The addresses to create.
    addresses: list[Record]


class _Batch:
    """The stored rows that a batch refers to, and the planned changes to them."""

    def __init__(
        self, connection: Connection, lines: Mapping[int, CustomerRow], seen: SeenValues, *, locking: bool
    ) -> None:
        self.outcome = BatchResult()
        self._rows = lines
        self._stored = _stored(connection, lines, locking=locking)
        self._survivors = survivors_of(connection, [row.id for row in lines.values() if row.id])
        emails = {row["email_key"]: row_id for row_id, row in self._stored.items()}
        users = {row.user_id for row in lines.values() if row.user_id}
        self._users = set(connection.scalars(select(User.id).where(User.id.in_(users))))
        owners = select(Customer.user_id, Customer.id).where(Customer.user_id.in_(users))
        attached = {user_id: row_id for user_id, row_id in connection.execute(owners) if user_id}
        self._lines = ChainMap[int, int]({}, seen.lines)
        self._emails = ChainMap[str, int | None]({}, seen.emails, dict(emails))
        self._attached = ChainMap[int, int | None]({}, seen.users, dict(attached))
        self._addresses = Addresses(connection, lines.values(), self._stored, seen)
        self._new: list[_Planned] = []
        self._changed: list[_Planned] = []
        self._address_plans: list[AddressPlan] = []

    @property
    def seen(self) -> SeenValues:
        """The values of the lines of this batch."""
        return SeenValues(
            dict(self._lines.maps[0]),
            dict(self._emails.maps[0]),
            dict(self._attached.maps[0]),
            dict(self._addresses.owners.maps[0]),
        )

    def plan(self, number: int) -> RowStatus:
        """Plan the changes of a line. Raise ``ValidationFailed`` if the line is invalid."""
        row, errors = self._rows[number], RowErrors()
        given = row.model_dump(exclude_unset=True, exclude={"id", "addresses"})
        email = given.get("email")
        found = row.id or (self._emails.get(email_key(email)) if email else None)
        stored = self._stored.get(found or 0)
        if email is None and stored is None:
            errors.add("email", REQUIRED)
        elif found and (earlier := self._lines.get(found)):
            errors.add("id" if row.id else "email", f"The customer is on line {earlier} already")
        elif survivor := self._survivors.get(row.id or 0):
            errors.add("id", f"The customer was merged into customer {survivor}. Write that id, or no id")
        elif stored and is_erased(stored):
            errors.add("id", "The customer is erased here: nothing of the customer is imported")
        elif stored and _is_another(stored, given):
            errors.add("id", "The customer with this id is another one here")
        errors.raise_any()
        customer_id = found or -number
        self._check_claims(customer_id, given, errors)
        addresses = AddressPlan()
        if "addresses" in row.model_fields_set:
            addresses = self._addresses.plan(customer_id, row.addresses, errors)
        errors.raise_any()
        self._claim(number, customer_id, stored, given)
        self._addresses.claim(customer_id, row.addresses, addresses)
        return self._keep(customer_id, stored, given, addresses)

    def _check_claims(self, customer_id: int, given: Record, errors: RowErrors) -> None:
        """Find out whether the e-mail and the user are another customer's."""
        email, user_id = given.get("email"), given.get("user_id")
        if email and self._emails.get(email_key(email)) not in (None, customer_id):
            errors.add("email", "The email address belongs to another customer")
        if user_id and user_id not in self._users:
            errors.add("user_id", f"WordPress user with ID {user_id} not found")
        elif user_id and self._attached.get(user_id) not in (None, customer_id):
            errors.add("user_id", "The user is attached to another customer")

    def _claim(self, number: int, customer_id: int, stored: Record | None, given: Record) -> None:
        self._lines[customer_id] = number
        if stored and "email" in given:
            self._emails[stored["email_key"]] = None
        if "email" in given:
            self._emails[email_key(given["email"])] = customer_id
        if stored and stored["user_id"] and "user_id" in given:
            self._attached[stored["user_id"]] = None
        if given.get("user_id"):
            self._attached[given["user_id"]] = customer_id

    def _keep(
        self, customer_id: int, stored: Record | None, given: Record, addresses: AddressPlan
    ) -> RowStatus:
        time = now()
        values = {**(pick(stored, *_COLUMNS) if stored else {**_NEW, "created_at": time, "updated_at": time})}
        is_changed = stored is None or bool(differences(stored, given))
        if is_changed:
            values |= {"updated_at": time, **given}
            values |= derived_columns(values)
        if is_changed:
            planned = _Planned(customer_id, values, addresses.new)
            (self._changed if stored else self._new).append(planned)
        self._address_plans.append(addresses)
        if stored is None:
            return RowStatus.WRITTEN
        return RowStatus.CHANGED if is_changed or addresses else RowStatus.UNCHANGED

    def write(self, connection: Connection) -> None:
        """Write the planned changes, in an order without conflicts between them."""
        update_rows(connection, Customer, [{"id": each.id, **each.values} for each in self._changed])
        known = [planned for planned in self._new if planned.id > 0]
        insert_rows(connection, Customer, [{"id": each.id, **each.values} for each in known])
        unknown = [planned for planned in self._new if planned.id < 0]
        if unknown:
            given = connection.scalars(
                insert(Customer).returning(Customer.id, sort_by_parameter_order=True),
                [planned.values for planned in unknown],
            )
            for planned, customer_id in zip(unknown, given.all(), strict=True):
                self._lines[customer_id] = self._lines.pop(planned.id)
                for address in planned.addresses:
                    address["customer_id"] = customer_id
        write_addresses(connection, self._address_plans)


def _stored(connection: Connection, lines: Mapping[int, CustomerRow], *, locking: bool) -> dict[int, Record]:
    """Return the customers that the lines name by id or by e-mail, locked if they are to be changed."""
    ids = [row.id for row in lines.values() if row.id]
    emails = [email_key(row.email) for row in lines.values() if row.email]
    statement = select(_TABLE).where(or_(_TABLE.c.id.in_(ids), _TABLE.c.email_key.in_(emails)))
    if locking:
        statement = statement.order_by(_TABLE.c.id).with_for_update()
    return {row["id"]: dict(row) for row in connection.execute(statement).mappings()}


def _is_another(stored: Record, given: Record) -> bool:
    """Return whether a customer only has the same id: neither e-mail nor time of creation are the same."""
    if "email" not in given or "created_at" not in given:
        return False
    same_email = email_key(given["email"]) == stored["email_key"]
    return not same_email and bool(given["created_at"] != stored["created_at"])
