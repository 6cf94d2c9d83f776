"""Convert values of WordPress to values of the models, and report the ones that do not fit."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.report import Report

UNKNOWN_TIME = "1970-01-01T00:00:00Z"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d))?(?:\.\d+)?Z?", re.ASCII)


class Values:
    """Reads the values of one row, and reports its issues."""

    def __init__(self, report: Report, table: str, row: dict[str, Any], absent: Iterable[str] = ()) -> None:
        self._report, self._table, self._row = report, table, row
        self._noted = set[DataIssue]()
        self.id: int = row["id"]
        # The columns that the source does not have. An existing row keeps its values.
        self.absent = set(absent)

    def record_issue(self, issue: DataIssue) -> None:
        """Report an issue of the row, once."""
        if issue not in self._noted:
            self._noted.add(issue)
            self._report.note(self._table, issue, self.id)

    def get(self, column: str) -> Any:
        return self._row[column]

    def text(self, column: str, length: int) -> str:
        """Return a text as the API would store it: trimmed, composed, at most ``length`` characters."""
        return self.fit(self._row[column] or "", length)

    def fit(self, text: str, length: int) -> str:
        """Return any text as the API would store it."""
        if text.isascii() and "\0" not in text:
            fitted = text.strip()
        else:
            if "\0" in text or "\ufffd" in text:
                self.record_issue(DataIssue.UNFIT_TEXT)
            # Cut first, because the time to compose a run of accents grows with the square of its length.
            fitted = unicodedata.normalize("NFC", text.replace("\0", "").strip()[: 8 * length]).strip()
        if len(fitted) > length:
            self.record_issue(DataIssue.TEXT_CUT)
            fitted = fitted[:length].strip()
        return fitted

    def foreign_key(self, column: str) -> int | None:
        """Return the id of another row. WordPress writes both 0 and NULL for no row."""
        value = self._row[column]
        if isinstance(value, int):
            return value or None
        if value not in (None, ""):
            self.record_issue(DataIssue.WRONG_TYPE)
        return None

    def times(self, created: str = "created_at", updated: str = "updated_at") -> tuple[str, str]:
        """Return the creation time and the time of the last change of a row."""
        made, changed = moment(self._row[created]), moment(self._row[updated])
        if made is None or changed is None:
            self.record_issue(DataIssue.ZERO_DATE)
        # The replacement of a date is the other date, which changes.
        self.absent |= {
            name for name, time in (("created_at", made), ("updated_at", changed)) if time is None
        }
        return made or changed or UNKNOWN_TIME, changed or made or UNKNOWN_TIME


@lru_cache(1024)  # most rows were changed when they were created
def moment(text: str | None) -> str | None:
    """Return a date of WordPress, which is in UTC, in the documented form, or None for an invalid date."""
    if not text or not (found := _TIME.fullmatch(text.strip())):
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}").isoformat() + "Z"
    except ValueError:
        # 0000-00-00, or the 31st of February.
        return None
