"""The table of the live plugin's field names and the contract's names for them.

Aliases are read before input is checked. Only docs/wordpress-clients.md documents them. If both names are
sent, the contract's name counts. Other names are not changed: additional info has only keys of the caller's
own, and a customer's ``id`` in its body has no meaning.

See docs/decisions.md#74-field-names-of-the-plugin.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

Fields = Mapping[str, Any]
# A function that reads the value of an alias. It returns the contract's fields that were not sent themselves.
Reader = Callable[[Any, Fields], dict[str, Any]]

SORT_FIELDS = {"ltv": "total_spent", "purchase_value": "total_spent", "purchase_count": "order_count"}
# Generated clients and API tools send the members of an object without its name.
FILTERS = (
    "status", "date_from", "date_to", "total_spent_min", "total_spent_max", "updated_from", "updated_to",
    "last_order_from", "last_order_to", "order_count_min", "order_count_max", "country", "has_user", "email",
    "ids",
)  # fmt: skip
BULK_ACTIONS = {"change_customer_status": "update_status", "delete_customers": "delete"}


def _as(name: str, values: Mapping[str, str] | None = None) -> Reader:
    """Read another name of ``name``, and other texts for its ``values``."""

    def read(value: Any, sent: Fields) -> dict[str, Any]:
        return {} if name in sent else {name: _translated(value, values or {})}

    return read


def _translated(value: Any, values: Mapping[str, str]) -> Any:
    return values.get(value, value) if isinstance(value, str) else value


def _bulk_action(value: Any, _sent: Fields) -> dict[str, Any]:
    return {"action": _translated(value, BULK_ACTIONS)}


def _new_status(value: Any, sent: Fields) -> dict[str, Any]:
    """Read a status that the contract has one level deeper."""
    # PHP writes an empty object as an empty list, or as an empty text in a form.
    data = sent.get("data") or {}
    return {"data": {"status": value, **data}} if isinstance(data, dict) else {}


def _address(value: Any, sent: Fields) -> dict[str, Any]:
    """Read ``address[id]``."""
    return _as("address_id")(value["id"], sent) if isinstance(value, dict) and "id" in value else {}


def _filter(name: str) -> Reader:
    """Read a filter that is sent next to ``filters``, which may be a JSON text."""

    def read(value: Any, sent: Fields) -> dict[str, Any]:
        filters = _decoded(sent.get("filters")) or {}
        # Other values stay, so that the input check rejects the whole.
        if not isinstance(filters, dict) or filters.get(name) not in (None, ""):
            return {}
        return {"filters": {**filters, name: value}}

    return read


def _decoded(value: Any) -> Any:
    try:
        return orjson.loads(value.strip() or "null") if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value


def _full_name(value: Any, sent: Fields) -> dict[str, Any]:
    return {} if "first_name" in sent or "last_name" in sent else _split(value)


def _changed_name(value: Any, _sent: Fields) -> dict[str, Any]:
    """Read a full name and its parts. The stored row decides which of them counts.

    See docs/decisions.md#137-full-names.
    """
    return {"full_name": _split(value)}


def _name(value: Any, sent: Fields) -> dict[str, Any]:
    return {} if "full_name" in sent else _changed_name(value, sent)


def _of_each(names: Mapping[str, Reader], name: str) -> Reader:
    """Read ``names`` in each object of the list ``name``."""

    def read_item(item: Any) -> Any:
        return apply_aliases(item, names) if isinstance(item, dict) else item

    def read(value: Any, _sent: Fields) -> dict[str, Any]:
        # PHP may write a list as an object whose names are numbers.
        if isinstance(value, dict):
            return {name: {number: read_item(item) for number, item in value.items()}}
        return {name: [read_item(item) for item in value]} if isinstance(value, list) else {}

    return read


def _split(value: Any) -> dict[str, Any]:
    """Split a name as the plugin does: the last word is the last name. A single word is the first name."""
    if not isinstance(value, str):
        # A value that is not a text is passed on, so that the check of the first name rejects it.
        return {"first_name": value}
    first, _, last = value.strip().rpartition(" ")
    return (
        {"first_name": first.rstrip(), "last_name": last} if first else {"first_name": last, "last_name": ""}
    )


_LIST: Mapping[str, Reader] = {
    "sort_by": _as("order_by", SORT_FIELDS),
    "sort_type": _as("order_type"),
    **{name: _filter(name) for name in FILTERS},
}
_NEW_CUSTOMER: Mapping[str, Reader] = {"full_name": _full_name, "name": _full_name}
_CUSTOMER_CHANGES: Mapping[str, Reader] = {"full_name": _changed_name, "name": _name}
_ORDERS: Mapping[str, Reader] = {"sort_by": _as("order_by"), "sort_type": _as("order_type")}
_ADDRESS_REF: Mapping[str, Reader] = {"addressId": _as("address_id"), "address": _address}

# By operation. Of two aliases for the same field, the first one counts.
NAMES: Mapping[str, Mapping[str, Reader]] = {
    "list_customers": _LIST,
    "export_customers": _LIST,
    "list_customer_orders": _ORDERS,
    "list_orders_as_the_plugin": _ORDERS,
    "create_customer": _NEW_CUSTOMER,
    "update_customer": _CUSTOMER_CHANGES,
    "patch_customer": _CUSTOMER_CHANGES,
    "batch_customers": {
        "create": _of_each(_NEW_CUSTOMER, "create"),
        "update": _of_each(_CUSTOMER_CHANGES, "update"),
    },
    "create_address": {"name": _full_name, "full_name": _full_name},
    "update_address": {
        **_ADDRESS_REF,
        "id": _as("address_id"),
        "full_name": _changed_name,
        "name": _name,
    },
    "delete_address": _ADDRESS_REF,
    "make_address_primary": _ADDRESS_REF,
    "do_bulk_action": {"action": _bulk_action, "new_status": _new_status},
}


def apply_aliases(fields: dict[str, Any], names: Mapping[str, Reader]) -> dict[str, Any]:
    """Return the input with the contract's names in place of the aliases in ``names``."""
    if names.keys().isdisjoint(fields):
        return fields
    for name, read in names.items():
        if name in fields:
            fields = fields | read(fields[name], fields)
    return fields
