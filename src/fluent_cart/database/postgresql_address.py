"""Addresses of PostgreSQL, as each of its drivers takes them.

An address is one of libpq, and may have a parameter of this server: ``pooler=transaction``.
"""

from sqlalchemy import URL, make_url

POOLER = "pooler"
# asyncpg knows no such thing, and sends what it does not know to the server, which refuses it.
OF_LIBPQ_ALONE = (
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
)


def has_pooler(url: str) -> bool:
    """Return whether a pooler gives each transaction another session."""
    return make_url(url).query.get(POOLER) == "transaction"


def for_libpq(url: str) -> URL:
    """Return the address for psycopg and for PostgreSQL's own programs."""
    return make_url(url).set(drivername="postgresql").difference_update_query([POOLER])


def for_asyncpg(url: str) -> str:
    """Return the address for asyncpg."""
    address = for_libpq(url).difference_update_query(OF_LIBPQ_ALONE)
    return address.render_as_string(hide_password=False)
