"""The size of the database."""

from sqlalchemy import Connection, text

_BYTES = {
    "sqlite": text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
    "postgresql": text("SELECT pg_database_size(current_database())"),
}


def database_bytes(connection: Connection) -> int:
    """Return the size of the database in bytes, indexes included."""
    return int(connection.execute(_BYTES[connection.dialect.name]).scalar_one())
