"""Check whether sessions of PostgreSQL keep their settings, which some connection poolers change.

A session that is not in UTC would return wrong times. A session without limits could wait without end.
"""

from sqlalchemy import Connection, text

from fluent_cart.database.base import SessionProblem
from fluent_cart.database.postgresql_address import has_pooler
from fluent_cart.database.postgresql_engine import SESSION_SETTINGS, create_postgresql_engine

# A busy pooler can assign two sessions to two connections by chance.
ROUNDS = 5

_settings = text("SELECT lower(name) AS name, setting FROM pg_settings")
_session = text("SELECT pg_backend_pid()")


def find_problem(url: str) -> SessionProblem | None:
    """Return the problem of the sessions that ``url`` opens, or None."""
    if has_pooler(url):
        # Each transaction sets its own settings.
        return None
    sessions = create_postgresql_engine(url, connections=2, isolation_level="AUTOCOMMIT")
    try:
        with sessions.connect() as one, sessions.connect() as two:
            return _find_shared_session(one, two) or _find_lost_setting(two)
    finally:
        sessions.dispose()


def _find_shared_session(one: Connection, two: Connection) -> SessionProblem | None:
    pids = [(one.scalar(_session), two.scalar(_session)) for _ in range(ROUNDS)]
    if len(set(pids)) == 1 and len(set(pids[0])) == 2:
        return None
    return SessionProblem(
        "A connection pooler assigns another session to each transaction, so settings and statements get "
        "lost",
        "Add ?pooler=transaction to FLUENT_CART_DATABASE_URL, or connect to PostgreSQL without a pooler.",
    )


def _find_lost_setting(connection: Connection) -> SessionProblem | None:
    found = {str(row.name): str(row.setting) for row in connection.execute(_settings)}
    for name, wanted in SESSION_SETTINGS.items():
        if found[name] != str(wanted):
            return SessionProblem(
                f"Sessions have {name}={found[name]}, though the server sets {name}={wanted}",
                "Let the connection pooler keep settings, or connect to PostgreSQL without a pooler.",
            )
    return None
