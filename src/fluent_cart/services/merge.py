"""The merger of two customers, in one transaction.

See docs/decisions.md#183-merge.
"""

from typing import Any

import orjson
from sqlalchemy import Connection

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.database.transaction import savepoint
from fluent_cart.enums import ChangeKind
from fluent_cart.errors import InvalidUser, ValidationFailed
from fluent_cart.schemas.additional_info import MAX_BYTES
from fluent_cart.schemas.merge import CustomerMerge
from fluent_cart.services import changes
from fluent_cart.services.addresses import move_addresses
from fluent_cart.services.customer_deletion import delete_customers
from fluent_cart.services.customers import (
    derived_columns,
    get_customer,
    lock_customer,
    lock_customers,
    store_customer,
)
from fluent_cart.services.merged_customers import record_merger
from fluent_cart.services.orders import move_orders

# Fields that are filled if they are blank.
FILLED = ("first_name", "last_name", "phone")
BLANK: tuple[Any, ...] = (None, "", [], {})


def merge_customers(connection: Connection, customer_id: int, merge: CustomerMerge) -> Record:
    """Merge another customer into a customer, and return the result. A preview changes nothing.

    ``CustomerNotFound`` or ``CustomerMerged`` if one of them does not exist, ``InvalidUser`` if the user that
    stays is not clear, ``ValidationFailed`` if they are the same or have too much together.
    """
    if merge.from_id == customer_id:
        raise ValidationFailed(details={"from_id": ["Must be the id of another customer"]})
    # A preview runs the same code and undoes it, so it has the result of the merge.
    with savepoint(connection, undo=merge.preview):
        return _merge(connection, customer_id, merge)


def _merge(connection: Connection, customer_id: int, merge: CustomerMerge) -> Record:
    lock_customers(connection, (customer_id, merge.from_id))
    survivor, other = (lock_customer(connection, each) for each in (customer_id, merge.from_id))
    changed = _changed_columns(survivor, other, merge.user_id)
    moved = move_addresses(connection, merge.from_id, customer_id)
    # Before the deletion, which orders and earlier mergers would follow.
    moved_orders = move_orders(connection, merge.from_id, customer_id)
    record_merger(connection, merge.from_id, customer_id)
    delete_customers(connection, [merge.from_id])
    changes.set_kind(connection, merge.from_id, ChangeKind.MERGED, survivor_id=customer_id)
    derived = derived_columns({**survivor, **changed})
    store_customer(connection, customer_id, {**changed, **derived, "updated_at": now()})
    return {
        "customer": get_customer(connection, customer_id),
        "from_id": merge.from_id,
        "moved_orders": moved_orders,
        "moved_addresses": moved.moved,
        "joined_addresses": moved.joined,
        "changed_fields": list(changed),
    }


def _changed_columns(survivor: Record, other: Record, wanted_user: int | None) -> Record:
    """Return the columns of the survivor that are not as before, in a fixed order."""
    merged = {name: survivor[name] or other[name] for name in FILLED}
    merged["user_id"] = _user_id(survivor["user_id"], other["user_id"], wanted_user)
    changed = {name: value for name, value in merged.items() if value != survivor[name]}
    own, others = survivor["additional_info"], other["additional_info"]
    info = merged_info(own, others)
    before, after = orjson.dumps(own), orjson.dumps(info)
    # An imported customer may have more.
    if len(after) > max(len(before), len(orjson.dumps(others)), MAX_BYTES):
        text = "Of both customers together it is over 64 KiB. Remove keys of one of them"
        raise ValidationFailed(details={"additional_info": [text]})
    return changed | ({"additional_info": info} if after != before else {})


def _user_id(own: int | None, others: int | None, wanted: int | None) -> int | None:
    if wanted is not None and wanted not in (own, others):
        raise InvalidUser("The user is attached to neither customer. Send the user_id of one of the two")
    if wanted is None and own and others:
        raise InvalidUser("Both customers have a user. Send user_id: the user that stays attached")
    return wanted or own or others


def merged_info(own: Record, others: Record) -> Record:
    """Return ``own`` with the members that only ``others`` has.

    Members of two objects are merged in the same way. Two lists become one without repetitions. Otherwise
    the own value stays, unless it is blank.
    """
    merged = dict(own)
    for key, value in others.items():
        mine = own.get(key)
        if mine in BLANK:
            merged[key] = mine if value in BLANK and key in own else value
        elif isinstance(mine, dict) and isinstance(value, dict):
            merged[key] = merged_info(mine, value)
        elif isinstance(mine, list) and isinstance(value, list):
            # As JSON: to Python, 1, 1.0 and True are the same.
            known = {orjson.dumps(each) for each in mine}
            merged[key] = mine + [each for each in value if orjson.dumps(each) not in known]
    return merged
