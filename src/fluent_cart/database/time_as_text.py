"""Times as PostgreSQL writes them -> the documented form, as SQLite keeps them (decision 7)."""

from psycopg.abc import Buffer
from psycopg.adapt import Loader


class TimeAsText(Loader):
    """Reads ``2024-01-31 10:00:00+00``, as a session in UTC writes it, in the documented form."""

    def load(self, data: Buffer) -> str:
        text = bytes(data)
        return f"{text[:10].decode()}T{text[11:19].decode()}Z"
