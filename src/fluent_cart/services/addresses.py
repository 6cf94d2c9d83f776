"""Addresses of a customer. Each function finds an address by its id and its customer, never by its id alone.

A customer who has addresses has exactly one primary address. Writers lock the customer's row first, so that
two writers cannot both read the old primary address.

See docs/decisions.md#19-primary-address.
"""

from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from fluent_cart.clock import now
from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.enums import AddressType
from fluent_cart.errors import AddressNotFound, ValidationFailed
from fluent_cart.models import Address
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.services.customers import (
    ADDRESS_COLUMNS,
    differences,
    lock_customer,
    pick,
    require_customer,
)
from fluent_cart.services.folding import fold
from fluent_cart.services.full_names import read_full_name

# A limit, because Get Customer Details returns all addresses. Imports may store more.
MAX_ADDRESSES = 250
EXTENSION_KEYS = ("address_2", "company_name", "phone")
PLACE_KEYS = ("first_name", "last_name", "address_1", "city", "state", "postcode", "country")

_of_customer = Prepared(
    select(*ADDRESS_COLUMNS).where(Address.customer_id == bindparam("customer_id")).order_by(Address.id)
)
_one_of_customer = Prepared(
    select(Address.__table__).where(
        Address.id == bindparam("address_id"), Address.customer_id == bindparam("customer_id")
    )
)
_rows_of_customer = Prepared(
    select(Address.__table__)
    .where(Address.customer_id == bindparam("customer_id"))
    .order_by(Address.is_primary.desc(), Address.id)
)
_primary = Prepared(
    select(Address.id).where(Address.customer_id == bindparam("customer_id"), Address.is_primary)
)
_counts = Prepared(
    select(func.count(), func.count().filter(Address.is_primary)).where(
        Address.customer_id == bindparam("customer_id")
    )
)
_oldest = Prepared(
    select(Address.id).where(Address.customer_id == bindparam("customer_id")).order_by(Address.id).limit(1)
)
_inserted = Prepared(
    insert(Address).returning(Address.__table__),
    ("customer_id", *AddressCreate.model_fields, "created_at", "updated_at"),
)
_deleted = Prepared(delete(Address).where(Address.id == bindparam("address_id")))


def list_addresses(
    connection: LookupConnection, customer_id: int, kind: AddressType | None = None
) -> list[Record]:
    """Return a customer's addresses, oldest first. With a type, return only the addresses of this type."""
    addresses = _of_customer.records(connection, customer_id=customer_id)
    if not addresses:
        require_customer(connection, customer_id)
    return [address for address in addresses if kind in (None, address["type"])]


def create_address(connection: Connection, customer_id: int, address: AddressCreate) -> Record:
    """Store a new address. The first address of a customer becomes the primary one."""
    lock_customer(connection, customer_id)
    ((total, primary),) = _counts.rows(connection, customer_id=customer_id)
    if total >= MAX_ADDRESSES:
        text = f"A customer has at most {MAX_ADDRESSES} addresses. Delete one, or update one"
        raise ValidationFailed(details={"addresses": [text]})
    created_at = now()
    if address.is_primary:
        _clear_primary(connection, customer_id)
    [row] = _inserted.records(
        connection,
        address.model_dump(),
        customer_id=customer_id,
        is_primary=address.is_primary or not primary,
        created_at=created_at,
        updated_at=created_at,
    )
    return pick(row, "id", "type", *PLACE_KEYS, "created_at", *EXTENSION_KEYS)


def update_address(connection: Connection, customer_id: int, address_id: int, changes: Record) -> Record:
    """Change the fields that were sent. ``is_primary: true`` makes the address the primary one."""
    lock_customer(connection, customer_id)
    row = _get_address(connection, customer_id, address_id)
    changed = differences(row, read_full_name(row, changes))
    if changed:
        if changed.get("is_primary") is False:
            raise ValidationFailed(details={"is_primary": ["Make another address the primary one instead"]})
        if changed.get("is_primary"):
            _clear_primary(connection, customer_id)
        changed["updated_at"] = now()
        _store(connection, address_id, changed)
    return pick({**row, **changed}, "id", *PLACE_KEYS, "updated_at", *EXTENSION_KEYS)


def delete_address(
    connection: Connection, customer_id: int, address_id: int, kind: AddressType | None = None
) -> None:
    """Delete an address. If it was the primary one, the oldest other address becomes primary."""
    lock_customer(connection, customer_id)
    row = _get_address(connection, customer_id, address_id, kind)
    _deleted.rows(connection, address_id=address_id)
    if row["is_primary"]:
        for (oldest,) in _oldest.rows(connection, customer_id=customer_id):
            _store(connection, oldest, {"is_primary": True, "updated_at": now()})


def make_primary(
    connection: Connection, customer_id: int, address_id: int, kind: AddressType | None = None
) -> Record:
    """Make an address the primary one of its customer. Do nothing if it is primary already."""
    lock_customer(connection, customer_id)
    row = _get_address(connection, customer_id, address_id, kind)
    changed: Record = {}
    if not row["is_primary"]:
        _clear_primary(connection, customer_id)
        changed = {"is_primary": True, "updated_at": now()}
        _store(connection, address_id, changed)
    return pick({**row, **changed}, "id", "is_primary", "updated_at", *EXTENSION_KEYS)


class MovedAddresses(NamedTuple):
    """How many addresses another customer has now, and how many it had already."""

    moved: int
    joined: int


def move_addresses(connection: Connection, customer_id: int, to_customer_id: int) -> MovedAddresses:
    """Move the addresses of a customer to another one, whose primary address stays the primary one.

    An address that the other customer has already is left. The caller has locked both. ``ValidationFailed``
    if the other customer would have too many.
    """
    own = _rows_of_customer.records(connection, customer_id=to_customer_id)
    found = _rows_of_customer.records(connection, customer_id=customer_id)
    here, moving = {_comparable(address) for address in own}, []
    for address in found:
        if (form := _comparable(address)) not in here:
            here.add(form)
            moving.append(address)
    # An imported customer may have more.
    if moving and len(own) + len(moving) > max(len(own), len(found), MAX_ADDRESSES):
        text = f"A customer has at most {MAX_ADDRESSES} addresses. Delete some of both customers"
        raise ValidationFailed(details={"addresses": [text]})
    for address in moving:
        is_primary = address["is_primary"] and not own
        values = {"customer_id": to_customer_id, "is_primary": is_primary, "updated_at": now()}
        _store(connection, address["id"], values)
    return MovedAddresses(len(moving), len(found) - len(moving))


def _comparable(address: Record) -> tuple[str, ...]:
    """Return the fields of an address without case, accents and surplus white space."""
    return tuple(fold(address[key] or "") for key in ("type", *PLACE_KEYS, *EXTENSION_KEYS))


def _get_address(
    connection: Connection, customer_id: int, address_id: int, kind: AddressType | None = None
) -> Record:
    rows = _one_of_customer.records(connection, customer_id=customer_id, address_id=address_id)
    if not rows or kind not in (None, rows[0]["type"]):
        raise AddressNotFound(address_id)
    return rows[0]


def _clear_primary(connection: Connection, customer_id: int) -> None:
    for (address_id,) in _primary.rows(connection, customer_id=customer_id):
        _store(connection, address_id, {"is_primary": False, "updated_at": now()})


def _store(connection: Connection, address_id: int, values: Record) -> None:
    _update_of(tuple(values)).rows(connection, values, address_id=address_id)


@lru_cache
def _update_of(columns: tuple[str, ...]) -> Prepared:
    return Prepared(update(Address).where(Address.id == bindparam("address_id")), columns)
