"""Look up, create and change customers."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute

from fluent_cart.clock import now
from fluent_cart.database.prepared import LookupConnection, Prepared, Record, record_maker
from fluent_cart.errors import InvalidEmail, ValidationFailed
from fluent_cart.models import Address, Customer
from fluent_cart.schemas.additional_info import MAX_BYTES, TOO_LARGE
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services.folding import email_key, mailbox_key, sort_key
from fluent_cart.services.full_names import read_full_name
from fluent_cart.services.merged_customers import missing_customer
from fluent_cart.services.search import phone_key, search_text

# Columns in the order in which the contract documents the keys.
LIST_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Customer.id,
    Customer.email,
    Customer.first_name,
    Customer.last_name,
    Customer.status,
    Customer.total_spent,
    Customer.order_count,
    Customer.created_at,
    Customer.updated_at,
)
DETAIL_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    *LIST_COLUMNS[:4],
    Customer.phone,
    *LIST_COLUMNS[4:],
)
EXTENSION_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (Customer.user_id, Customer.additional_info)
ADDRESS_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Address.id,
    Address.type,
    Address.first_name,
    Address.last_name,
    Address.address_1,
    Address.city,
    Address.state,
    Address.postcode,
    Address.country,
    Address.is_primary,
    Address.address_2,
    Address.company_name,
    Address.phone,
)


def keys(columns: Iterable[InstrumentedAttribute[Any]]) -> tuple[str, ...]:
    """Return the names of ``columns`` in responses."""
    return tuple(column.key for column in columns)


_DETAIL_KEYS, _EXTENSION_KEYS, ADDRESS_KEYS = map(keys, (DETAIL_COLUMNS, EXTENSION_COLUMNS, ADDRESS_COLUMNS))
_ADDRESSES_START = len(DETAIL_COLUMNS) + len(EXTENSION_COLUMNS)
_records, _addresses = record_maker((*_DETAIL_KEYS, *_EXTENSION_KEYS)), record_maker(ADDRESS_KEYS)

# The type of ``derived_columns``' result.
DERIVED = ("email_key", "first_name_key", "last_name_key", "search_text", "phone_key", "mailbox_key")

# One statement, so that a customer and its addresses take one round trip.
_details = (
    select(*DETAIL_COLUMNS, *EXTENSION_COLUMNS, *ADDRESS_COLUMNS)
    .outerjoin(Address, Address.customer_id == Customer.id)
    .order_by(Customer.id, Address.id)
)
_details_of_one = Prepared(_details.where(Customer.id == bindparam("customer_id")))
_details_of_some = _details.where(Customer.id.in_(bindparam("customer_ids", expanding=True)))
_exists = Prepared(select(Customer.id).where(Customer.id == bindparam("customer_id")))
_locked = Prepared(
    select(Customer.__table__).where(Customer.id == bindparam("customer_id")).with_for_update()
)
_email_owner = Prepared(select(Customer.id).where(Customer.email_key == bindparam("key")))
_inserted = Prepared(
    insert(Customer).returning(*DETAIL_COLUMNS),
    (
        *CustomerCreate.model_fields,
        "total_spent",
        "order_count",
        *DERIVED,
        "created_at",
        "updated_at",
    ),
)


def get_customer(connection: LookupConnection, customer_id: int) -> Record:
    """Return a customer with addresses, in the documented order of keys."""
    rows = _details_of_one.rows(connection, customer_id=customer_id)
    if not rows:
        raise missing_customer(connection, customer_id)
    return _with_addresses(rows)


def get_customers(connection: Connection, customer_ids: Sequence[int]) -> dict[int, Record]:
    """Return full records by id, without ids that do not exist."""
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(_details_of_some, {"customer_ids": customer_ids}):
        found.setdefault(row[0], []).append(row)
    return {customer_id: _with_addresses(rows) for customer_id, rows in found.items()}


def _with_addresses(rows: Sequence[Sequence[Any]]) -> Record:
    first = rows[0]
    (record,) = _records([first[:_ADDRESSES_START]])
    extension = {key: record.pop(key) for key in _EXTENSION_KEYS}
    # A customer without addresses has one row, whose address columns are all null.
    record["addresses"] = _addresses(
        [row[_ADDRESSES_START:] for row in rows if row[_ADDRESSES_START] is not None]
    )
    return record | extension


def require_customer(connection: LookupConnection, customer_id: int) -> None:
    """Raise ``CustomerNotFound`` or ``CustomerMerged`` if there is no such customer."""
    if not _exists.rows(connection, customer_id=customer_id):
        raise missing_customer(connection, customer_id)


def lock_customer(connection: Connection, customer_id: int) -> Record:
    """Return a customer's row, locked until the transaction ends.

    Lock it before you change rows that belong to it.
    """
    rows = _locked.records(connection, customer_id=customer_id)
    if not rows:
        raise missing_customer(connection, customer_id)
    return rows[0]


def lock_customers(connection: Connection, customer_ids: Iterable[int]) -> set[int]:
    """Lock customers' rows, in the order of their ids. Return the ids that exist.

    Two transactions that lock in one order cannot wait for each other.
    """
    rows = select(Customer.id).where(Customer.id.in_(list(customer_ids)))
    return set(connection.scalars(rows.order_by(Customer.id).with_for_update()))


def create_customer(connection: Connection, customer: CustomerCreate) -> Record:
    """Store a new customer. Raise ``InvalidEmail`` if the e-mail address belongs to another customer."""
    _require_free_email(connection, customer.email)
    created_at, fields = now(), customer.model_dump()
    [row] = _inserted.records(
        connection,
        fields,
        total_spent=0,
        order_count=0,
        **derived_columns(fields),
        created_at=created_at,
        updated_at=created_at,
    )
    return pick(row, "id", "email", "first_name", "last_name", "phone", "status", "created_at")


def update_customer(connection: Connection, customer_id: int, changes: Record) -> Record:
    """Change the fields that were sent. Raise ``InvalidEmail`` if another customer has the new address."""
    row = lock_customer(connection, customer_id)
    changed = differences(row, read_full_name(row, changes))
    if changed:
        if "email" in changed:
            _require_free_email(connection, changed["email"], but_of=customer_id)
        changed |= derived_columns({**row, **changed})
        changed["updated_at"] = now()
        store_customer(connection, customer_id, changed)
    return pick({**row, **changed}, "id", "first_name", "last_name", "phone", "status", "updated_at")


def update_additional_info(connection: Connection, customer_id: int, info: Record) -> Record:
    """Merge ``info`` into the stored additional info. A null removes its key.

    Raise ``ValidationFailed`` if the result is larger than the limit.

    See docs/decisions.md#15-merge-of-additional-info and #82-size-of-additional-info.
    """
    row = lock_customer(connection, customer_id)
    removed = {key for key, value in info.items() if value is None}
    merged = {key: value for key, value in {**row["additional_info"], **info}.items() if key not in removed}
    changed: Record = {}
    # Compared as JSON, because 1, 1.0 and True are equal in Python.
    before, after = orjson.dumps(row["additional_info"]), orjson.dumps(merged)
    if before != after:
        # An imported shop may be over the limit. A change that makes it smaller is accepted.
        if len(after) > max(len(before), MAX_BYTES):
            raise ValidationFailed(details={"body": [TOO_LARGE]})
        changed = {"additional_info": merged, "updated_at": now()}
        store_customer(connection, customer_id, changed)
    return pick({**row, **changed}, "id", "additional_info", "updated_at")


def differences(row: Record, changes: Record) -> Record:
    """Return the members of ``changes`` that differ from ``row``."""
    return {key: value for key, value in changes.items() if row[key] != value}


def pick(record: Any, *names: str) -> Record:
    """Return the named members of ``record``, in that order."""
    return {name: record[name] for name in names}


def derived_columns(customer: Record) -> Record:
    """Return the columns that are computed from others, for comparison, order, search and duplicates."""
    email, first_name, last_name = pick(customer, "email", "first_name", "last_name").values()
    # Searches look into "first last", e-mail, digits of the phone (docs/decisions.md#11-list-of-customers).
    searched = search_text(f"{first_name} {last_name}", email, phone=customer["phone"])
    phone = customer["phone"]
    derived = (
        email_key(email), sort_key(first_name), sort_key(last_name), searched,
        phone_key(phone), mailbox_key(email),
    )  # fmt: skip
    return dict(zip(DERIVED, derived, strict=True))


def _require_free_email(connection: Connection, email: str, but_of: int | None = None) -> None:
    if any(owner != but_of for (owner,) in _email_owner.rows(connection, key=email_key(email))):
        raise InvalidEmail("The email address belongs to another customer")


def store_customer(connection: Connection, customer_id: int, values: Record) -> None:
    """Change columns of a customer's row."""
    _update_of(tuple(values)).rows(connection, values, customer_id=customer_id)


@lru_cache
def _update_of(columns: tuple[str, ...]) -> Prepared:
    return Prepared(update(Customer).where(Customer.id == bindparam("customer_id")), columns)
