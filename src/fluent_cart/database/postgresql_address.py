"""Convert URLs of PostgreSQL to the form of each driver.

A URL has the form of libpq, and may have a parameter of this server: ``pooler=transaction``.
"""

from sqlalchemy import URL, make_url

POOLER = "pooler"
# asyncpg does not know these, and sends unknown parameters to the server, which rejects them.
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
    """Return whether a pooler assigns another session to each transaction."""
    return make_url(url).query.get(POOLER) == "transaction"


def for_libpq(url: str) -> URL:
    """Return the URL for psycopg and for PostgreSQL's own programs."""
    return make_url(url).set(drivername="postgresql").difference_update_query([POOLER])


def for_asyncpg(url: str) -> str:
    """Return the URL for asyncpg."""
    address = for_libpq(url).difference_update_query(OF_LIBPQ_ALONE)
    return address.render_as_string(hide_password=False)
