"""Compare a full name with its parts, as the live plugin's forms send both.

See docs/decisions.md#137-full-names.
"""

from fluent_cart.database.prepared import Record

PARTS = ("first_name", "last_name")


def read_full_name(row: Record, changes: Record) -> Record:
    """Return ``changes`` with the parts of the full name, if only the full name differs from ``row``."""
    others = dict(changes)
    full_name: Record | None = others.pop("full_name", None)
    has_changed_part = any(others.get(part, row[part]) != row[part] for part in PARTS)
    if full_name is None or has_changed_part or _written(full_name) == _written(row):
        return others
    return others | full_name


def _written(name: Record) -> str:
    return " ".join(" ".join(name[part] for part in PARTS).split())
