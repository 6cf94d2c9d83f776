"""A value as a cell of CSV that is safe to open in a spreadsheet, and back.

See docs/decisions.md#60-exports.
"""

import re
from typing import Any

import orjson

# A spreadsheet takes a cell that begins with one of these for a formula, full-width forms included. Those
# that have apostrophes before it get one more, too, so that a reader can find the one that was added.
_GUARDED = re.compile("'*[=+\\-@\t\r\n\0＝＋－＠]")


def to_cell(value: Any) -> Any:
    """Return what stands for a value in CSV: lists and objects are JSON, a text that looks like a formula
    begins with an apostrophe."""
    if isinstance(value, str):
        return f"'{value}" if _GUARDED.match(value) else value
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return "" if value is None else value


def from_cell(cell: str) -> str:
    """Return the text of a cell, without the apostrophe that ``to_cell`` put there."""
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell) else cell
