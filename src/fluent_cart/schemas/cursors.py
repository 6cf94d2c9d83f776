"""The cursor of a list: the place in the order after which the next page begins.

See docs/decisions.md#172-uncounted-lists.
"""

import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import orjson
from pydantic_core import PydanticCustomError

from fluent_cart.enums import SortDirection, SortField
from fluent_cart.schemas.base import MAX_ID

# Sorts as the date of a customer without an order.
NEVER = "-infinity"
MAX_LENGTH = 2000

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

Key = str | int | float
T = TypeVar("T")


def encode(cursor: Iterable[Any]) -> str:
    """Return a cursor as a text for URLs."""
    return urlsafe_b64encode(orjson.dumps([*cursor])).rstrip(b"=").decode()


def decode(value: Any, parse: Callable[[Any], T]) -> T | None:
    """Return the cursor of a text, or None for an empty text, which is the start of the list.

    ``parse`` gets the values of the cursor. It raises ``ValueError`` or ``TypeError`` for wrong ones.
    """
    if not value:
        return None
    try:
        if len(value) > MAX_LENGTH:
            raise ValueError("too long")
        return parse(orjson.loads(urlsafe_b64decode(value + "=" * (-len(value) % 4))))
    except (ValueError, TypeError, AttributeError):
        raise PydanticCustomError("cursor", "Must be `next_cursor` of an earlier response") from None


class ListCursor(NamedTuple):
    """The order of a list, and the sort key and the id of its last customer so far."""

    order_by: SortField
    order_type: SortDirection
    key: Key
    customer_id: int

    def encode(self) -> str:
        """Return the cursor as a text for URLs."""
        return encode(self)


def read_cursor(value: Any) -> ListCursor | None:
    """Return the cursor of a text, or None for an empty text, which is the start of the list."""
    return decode(value, _parsed)


def _parsed(values: Any) -> ListCursor:
    order_by, order_type, key, customer_id = values
    cursor = ListCursor(SortField(order_by), SortDirection(order_type), key, customer_id)
    is_key = _KEYS.get(cursor.order_by, is_text)
    if not (is_key(cursor.key) and _is_integer(cursor.customer_id)):
        raise ValueError("another type")
    return cursor


def is_text(key: Any) -> bool:
    """Return whether a key is a text that a database can compare."""
    return isinstance(key, str) and "\0" not in key


def _is_integer(key: Any) -> bool:
    return type(key) is int and abs(key) <= MAX_ID


def _is_number(key: Any) -> bool:
    return type(key) in (int, float) and math.isfinite(key)


def _is_time(key: Any) -> bool:
    return isinstance(key, str) and bool(_TIME.fullmatch(key) and datetime.fromisoformat(key))


def _is_purchase(key: Any) -> bool:
    return key == NEVER or _is_time(key)


_KEYS: Mapping[SortField, Callable[[Any], bool]] = {
    SortField.ID: _is_integer,
    SortField.TOTAL_SPENT: _is_integer,
    SortField.ORDER_COUNT: _is_integer,
    SortField.CREATED_AT: _is_time,
    SortField.UPDATED_AT: _is_time,
    SortField.FIRST_PURCHASE_DATE: _is_purchase,
    SortField.LAST_PURCHASE_DATE: _is_purchase,
    SortField.AOV: _is_number,
}
