"""Write a value as a CSV cell that is safe to open in a spreadsheet, and read it back.

See docs/decisions.md#61-csv-cells.
"""

import re
from typing import Any

import orjson

# A spreadsheet reads a cell that begins with one of these, or with its full-width form, as a formula. Texts
# that have apostrophes before it get one more, too, so that a reader can find the added one.
_GUARDED = re.compile("'*[=+\\-@\t\r\n\0＝＋－＠]")


def to_cell(value: Any) -> Any:
    """Return the CSV cell of a value.

    Lists and objects are JSON. A text that looks like a formula begins with an apostrophe.
    """
    if isinstance(value, str):
        return f"'{value}" if _GUARDED.match(value) else value
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return "" if value is None else value


def from_cell(cell: str) -> str:
    """Return the text of a cell, without the apostrophe that ``to_cell`` added."""
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell) else cell
