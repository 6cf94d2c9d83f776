"""The status of an imported row, and the comparison with the row that is here."""

from enum import StrEnum
from typing import Any

import orjson

from fluent_cart.database.prepared import Record


class RowStatus(StrEnum):
    """What became of a row."""

    WRITTEN = "written"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    # It differs from the source, and was not to be updated.
    LEFT = "left"


def differences(stored: Record, wanted: Record) -> set[str]:
    """Return the columns in which a row is to be another one; the order of JSON's keys counts."""
    return {name for name, value in wanted.items() if not _is_same(stored[name], value)}


def _is_same(stored: Any, value: Any) -> bool:
    if isinstance(value, dict):
        # As JSON: in Python, 1 and true are the same.
        return orjson.dumps(stored) == orjson.dumps(value)
    return bool(stored == value)
