"""The status of an imported row, and its comparison with the existing row."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from fluent_cart.database.prepared import Record


class RowStatus(StrEnum):
    """The result of an import for a row."""

    WRITTEN = "written"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    # It differs from the source, but updates are off.
    LEFT = "left"


@dataclass
class RowCounts:
    """How many rows were read, and how many have which status."""

    read: int = 0
    statuses: dict[RowStatus, int] = field(default_factory=lambda: dict.fromkeys(RowStatus, 0))

    def columns(self) -> dict[str, int]:
        """Return the numbers by their names in a report."""
        return {"read": self.read, **{status.value: number for status, number in self.statuses.items()}}


def status_of(stored: Record | None, differs: Collection[str], *, update_existing: bool = True) -> RowStatus:
    """Return the status of a row that differs from the stored one in these columns."""
    if stored is None:
        return RowStatus.WRITTEN
    if not differs:
        return RowStatus.UNCHANGED
    return RowStatus.CHANGED if update_existing else RowStatus.LEFT


def differences(stored: Record, wanted: Record) -> set[str]:
    """Return the columns in which a row differs. The order of JSON's keys counts."""
    return {name for name, value in wanted.items() if not _is_same(stored[name], value)}


def _is_same(stored: Any, value: Any) -> bool:
    if isinstance(value, dict):
        # Compared as JSON, because 1 and true are equal in Python.
        return orjson.dumps(stored) == orjson.dumps(value)
    return bool(stored == value)
