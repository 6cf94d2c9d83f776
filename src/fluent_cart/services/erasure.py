"""Erasure of a person: the customer stays in the books, with nothing that names the person.

See docs/decisions.md#186-personal-data-and-erasure.
"""

import re
import secrets
from collections.abc import Collection

from sqlalchemy import Connection, delete, func, select

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.enums import ChangeKind, CustomerStatus
from fluent_cart.models import Address, Customer, CustomerChange
from fluent_cart.services import changes, idempotency_keys
from fluent_cart.services.customers import (
    derived_columns,
    differences,
    lock_customer,
    pick,
    store_customer,
)

PREFIX, DOMAIN = "erased-", "@erased.invalid"
# After these the files of the database may still hold removed data.
_REMOVALS = (ChangeKind.DELETED, ChangeKind.MERGED, ChangeKind.ERASED)


def erase_customer(connection: Connection, customer_id: int) -> Record:
    """Remove everything that identifies a customer. The orders and totals stay.

    Nothing changes if the customer is erased already.
    """
    row = lock_customer(connection, customer_id)
    addresses = connection.execute(delete(Address).where(Address.customer_id == customer_id)).rowcount
    changed = differences(row, _anonymous(row))
    if changed:
        changed |= derived_columns({**row, **changed})
        changed["updated_at"] = now()
        store_customer(connection, customer_id, changed)
    if changed or addresses:
        changes.set_kind(connection, customer_id, ChangeKind.ERASED)
    idempotency_keys.erase_answers(connection, {customer_id})
    return pick({**row, **changed}, "id", "status", "updated_at")


def erase_customers(connection: Connection, customer_ids: Collection[int]) -> None:
    """Erase several customers in one transaction, all or none."""
    for customer_id in sorted(set(customer_ids)):
        erase_customer(connection, customer_id)


def is_erased(customer: Record) -> bool:
    """Return whether a stored customer has the address of an erased customer."""
    return bool(re.fullmatch(f"{PREFIX}{customer['id']}-[0-9a-f]{{16}}{DOMAIN}", customer["email"]))


def erased_ids(connection: Connection) -> frozenset[int]:
    """Return the ids of all erased customers."""
    # A range, so that the index finds them.
    key = Customer.email_key
    rows = connection.execute(
        select(Customer.id, Customer.email).where(key >= PREFIX, key < PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1))
    )
    return frozenset(row["id"] for row in map(dict, rows.mappings()) if is_erased(row))


def last_removal(connection: Connection) -> int:
    """Return the id of the last change that removed personal data, 0 if there is none."""
    return (
        connection.scalar(select(func.max(CustomerChange.id)).where(CustomerChange.kind.in_(_REMOVALS))) or 0
    )


def _anonymous(row: Record) -> Record:
    """Return the columns of a customer without the person."""
    customer_id = row["id"]
    # Unique and random, so that no other customer can have it before.
    email = f"{PREFIX}{customer_id}-{secrets.token_hex(8)}{DOMAIN}"
    return {
        "email": row["email"] if is_erased(row) else email,
        "first_name": "",
        "last_name": "",
        "phone": None,
        "status": CustomerStatus.INACTIVE,
        "user_id": None,
        "additional_info": {},
    }
