"""Customers as CSV: RFC 4180, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import orjson

from fluent_cart.prepared import Record
from fluent_cart.services.customers import DETAIL_COLUMNS, EXTENSION_COLUMNS, keys

COLUMNS: Sequence[str] = (*keys(DETAIL_COLUMNS), "addresses", *keys(EXTENSION_COLUMNS))

# A spreadsheet takes a cell that begins with one of these for a formula, full-width forms included.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def to_csv(records: Iterable[Record]) -> str:
    """Return the records as CSV text with a header line; lists and objects are JSON in their cell."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(record[column]) for column in COLUMNS] for record in records)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return "" if value is None else value
