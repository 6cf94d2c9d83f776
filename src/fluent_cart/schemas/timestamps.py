"""Read times of input, a date or an RFC 3339 time, and return the text to store.

See docs/decisions.md#7-time-and-money.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from fluent_cart.clock import to_text

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def since(value: Any) -> str | None:
    """Return the first whole second that is not before a date or a time. Return None for no value."""

    def read(text: str) -> datetime:
        moment = _read(text)
        return moment + timedelta(seconds=1) if moment.microsecond else moment

    return _checked(value, read)


def until(value: Any) -> str | None:
    """Return the last whole second of a date, or that of a time. Return None for no value."""
    return _checked(value, lambda text: _read(text, "23:59:59"))


def moment(value: Any) -> str | None:
    """Return the first second of a date, or that of a time. Return None for no value."""
    return _checked(value, _read)


def _checked(value: Any, read: Any) -> str | None:
    if value is None or value == "":
        return None
    try:
        return to_text(read(value))
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError("moment", "Must be a date such as 2024-01-31 or an RFC 3339 time") from None


def _read(text: str, clock: str = "00:00:00") -> datetime:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return datetime.fromisoformat(f"{date.fromisoformat(text)}T{clock}+00:00")
    if not _TIME.fullmatch(text):
        raise ValueError("neither a date nor a time")
    # Python reads at most six digits of a fraction. More digits do not change whole seconds.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)


# The time of creation or of the last change, in a file.
Timestamp = Annotated[str, BeforeValidator(moment)]
