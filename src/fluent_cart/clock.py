"""The only source of the time: UTC in the documented form, whole seconds.

See docs/decisions.md#7-time-and-money.
"""

from datetime import UTC, datetime, timedelta


def now() -> str:
    """Return the present time, for example ``2024-01-01T10:00:00Z``."""
    return to_text(datetime.now(UTC))


def ago(duration: timedelta) -> str:
    """Return the time that was ``duration`` ago."""
    return to_text(datetime.now(UTC) - duration)


def to_text(moment: datetime) -> str:
    """Return an aware ``moment`` in UTC as text, without the fraction of a second."""
    # Not strftime: it does not pad years before 1000 on every platform.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
