"""The names that the live plugin's clients use -> those of the contract: the one table of them (decision 74).

They are read before input is checked, and documented in docs/wordpress-clients.md alone. The contract's own
name wins where both are sent. What is named nowhere here is untouched: additional info has only keys of the
caller's own, and a customer's ``id`` in its body means nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

Fields = Mapping[str, Any]
# Reads the value of a name; returns the contract's fields that it stands for and that were not sent.
Reader = Callable[[Any, Fields], dict[str, Any]]

SORT_FIELDS = {"ltv": "total_spent", "purchase_value": "total_spent", "purchase_count": "order_count"}
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
    """Read what the contract has one level deeper."""
    # PHP writes an empty object as an empty list, or as an empty text in a form.
    data = sent.get("data") or {}
    return {"data": {"status": value, **data}} if isinstance(data, dict) else {}


def _address(value: Any, sent: Fields) -> dict[str, Any]:
    """Read ``address[id]``."""
    return _as("address_id")(value["id"], sent) if isinstance(value, dict) and "id" in value else {}


def _full_name(value: Any, sent: Fields) -> dict[str, Any]:
    """Split a name as the plugin does: the last word is the last name, a single one the first."""
    if "first_name" in sent or "last_name" in sent:
        return {}
    if not isinstance(value, str):
        # Whatever it is, it is no text for the first name either.
        return {"first_name": value}
    first, _, last = value.strip().rpartition(" ")
    return (
        {"first_name": first.rstrip(), "last_name": last} if first else {"first_name": last, "last_name": ""}
    )


_ORDER: Mapping[str, Reader] = {"sort_by": _as("order_by", SORT_FIELDS), "sort_type": _as("order_type")}
_CUSTOMER: Mapping[str, Reader] = {"full_name": _full_name, "name": _full_name}
_ADDRESS_REF: Mapping[str, Reader] = {"addressId": _as("address_id"), "address": _address}

# By operation. Of two names for the same, the first one counts.
NAMES: Mapping[str, Mapping[str, Reader]] = {
    "list_customers": _ORDER,
    "export_customers": _ORDER,
    "create_customer": _CUSTOMER,
    "update_customer": _CUSTOMER,
    "create_address": {"name": _full_name, "full_name": _full_name},
    "update_address": {
        **_ADDRESS_REF,
        "id": _as("address_id"),
        "name": _full_name,
        "full_name": _full_name,
    },
    "delete_address": _ADDRESS_REF,
    "make_address_primary": _ADDRESS_REF,
    "do_bulk_action": {"action": _bulk_action, "new_status": _new_status},
}


def apply_aliases(fields: dict[str, Any], names: Mapping[str, Reader]) -> dict[str, Any]:
    """Return what was sent with the contract's names for those in ``names``."""
    if names.keys().isdisjoint(fields):
        return fields
    for name, read in names.items():
        if name in fields:
            fields = fields | read(fields[name], fields)
    return fields
