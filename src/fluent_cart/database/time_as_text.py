"""Convert times from PostgreSQL's form to the documented form, which SQLite stores.

See docs/decisions.md#7-time-and-money.
"""

from psycopg.abc import Buffer
from psycopg.adapt import Loader


def as_documented(text: str) -> str:
    """Return ``2024-01-31 10:00:00+00``, as a session in UTC writes it, in the documented form."""
    return f"{text[:10]}T{text[11:19]}Z"


class TimeAsText(Loader):
    """Reads times with psycopg."""

    def load(self, data: Buffer) -> str:
        return as_documented(bytes(data).decode())
