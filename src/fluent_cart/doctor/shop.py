"""Check the shop: its migration, its durability, its users and its rules."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from fluent_cart import demo
from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database import ReplicaState, SessionProblem, migrations
from fluent_cart.database.streams import MAX_STREAMS, wanted_connections
from fluent_cart.doctor.findings import Finding, failure, ok, warning
from fluent_cart.models import ApplicationPassword, Customer, User
from fluent_cart.security import application_passwords, login_passwords
from fluent_cart.services import invariants
from fluent_cart.services.application_passwords import find_by_application_password

# The settings with which an acknowledged write survives a loss of power, by kind of database.
DURABLE = {
    "sqlite": {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"},
    "postgresql": {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"},
}
# As durable as the values above, unless a standby is named.
ALSO_DURABLE = {"synchronous": {"3"}, "synchronous_commit": {"local", "remote_write", "remote_apply"}}


def migration(connection: Connection) -> Finding:
    """Check the migration of the shop."""
    current, newest = migrations.current(connection), migrations.newest()
    if current == newest:
        return ok("migrations", f"The shop is at the newest migration ({newest})")
    if current and current > newest:
        advice = "Install the version that migrated it, or restore a backup from before."
        return failure("migrations", f"The shop is at {current}, from a later version", advice)
    advice = "Back up, then: fluent-cart migrate"
    return failure("migrations", f"The shop is at {current or 'no migration'}, not at {newest}", advice)


def durability(connection: Connection) -> Finding:
    """Check whether acknowledged writes survive a loss of power."""
    kind = connection.dialect.name
    ask = "PRAGMA" if kind == "sqlite" else "SHOW"
    found = {name: str(connection.scalar(text(f"{ask} {name}"))) for name in DURABLE[kind]}
    weak = [
        f"{name}={value}"
        for name, value in found.items()
        if value != DURABLE[kind][name] and value not in ALSO_DURABLE.get(name, ())
    ]
    shown = ", ".join(f"{name}={value}" for name, value in found.items())
    if weak:
        advice = f"Set {', '.join(f'{name}={value}' for name, value in DURABLE[kind].items())}."
        return failure("durability", f"Acknowledged writes can be lost: {', '.join(weak)}", advice)
    return ok("durability", f"Acknowledged writes are on disk ({shown})")


def connections(workers: int, each: int, max_connections: int | None) -> Finding:
    """Check whether there are enough connections for all workers together."""
    if max_connections is None:
        return ok("connections", "A shop in a file needs none")
    wanted = wanted_connections(workers, each)
    found = (
        f"{workers} workers with {each} connections each, and {MAX_STREAMS} for exports, need {wanted} of "
        f"the server's {max_connections}"
    )
    if wanted > max_connections:
        advice = "Lower FLUENT_CART_WORKERS or FLUENT_CART_POOL_SIZE, or raise max_connections."
        return failure("connections", found, advice)
    return ok("connections", f"{found}. Other machines need more")


def sessions(problem: SessionProblem | None) -> Finding:
    """Check whether the server's sessions keep their settings."""
    if problem:
        return failure("sessions", *problem)
    return ok("sessions", "Sessions are in UTC and keep their limits")


def replica(state: ReplicaState) -> Finding:
    """Check whether the replica answers reads. The primary answers them otherwise."""
    return warning("replica", *state) if state.advice else ok("replica", state.text)


def sign_in(connection: Connection) -> Finding:
    """Check for users with a permission who can sign in, by application password or by form."""
    permitted = User.role.in_([*ROLE_PERMISSIONS])
    application = connection.execute(
        select(User.id, ApplicationPassword.password_hash).join(ApplicationPassword).where(permitted)
    )
    login = connection.execute(select(User.id, User.password_hash).where(permitted))
    programs = {user for user, stored in application if application_passwords.is_known(stored)}
    people = {user for user, stored in login if login_passwords.is_known(stored or "")}
    if not programs | people:
        return warning(
            "users",
            "No user with a permission can sign in",
            "fluent-cart users create LOGIN --email ADDRESS --role administrator,"
            " then fluent-cart app-passwords create LOGIN",
        )
    found = (
        f"{len(programs)} users with permissions have an application password, {len(people)} a login password"
    )
    return ok("users", found)


def demo_user(connection: Connection) -> Finding:
    """Check for the demo's user, whose password is public."""
    if find_by_application_password(connection, demo.LOGIN, application_passwords.digest(demo.SECRET)):
        advice = f"Delete it: fluent-cart users delete {demo.LOGIN}"
        return failure("demo", "Anyone can sign in with the demo's public password", advice)
    return ok("demo", "The demo's public password opens no account")


def rules(connection: Connection) -> Finding:
    """Check every rule that must hold in a shop."""
    violations = invariants.find_violations(connection)
    if violations:
        rule, ids = next(iter(violations.items()))
        found = f"{len(violations)} rules are broken: {rule} (for example {', '.join(map(str, ids))})"
        return failure(
            "rules",
            found,
            "Run fluent-cart check to list them all, and fluent-cart recalculate to correct totals.",
        )
    return ok("rules", f"All {len(invariants.INVARIANTS)} rules hold")


def newest_row(connection: Connection) -> str | None:
    """Return the time of the last change of a customer."""
    return connection.scalar(select(func.max(Customer.updated_at)))


def server_time(connection: Connection) -> datetime | None:
    """Return the time on the database's server, or None if it is this machine."""
    if connection.dialect.name == "sqlite":
        return None
    seconds: Any = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float8"))
    return datetime.fromtimestamp(seconds).astimezone()
