"""Run all checks, in the order in which they depend on each other."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from fluent_cart.database import create_database, describe, is_postgresql
from fluent_cart.database.last_backup import last_backup
from fluent_cart.doctor import machine, shop
from fluent_cart.doctor.findings import Finding, Severity, failure, ok
from fluent_cart.settings import Settings, unknown_settings

# Called with each finding.
OnFinding = Callable[[Finding], None]


def run_checks(settings: Settings, show: OnFinding = lambda _: None) -> list[Finding]:
    """Return the findings, one for each check. Checks that are not possible are left out."""
    found = []
    for finding in _examine(settings):
        show(finding)
        found.append(finding)
    return found


def _examine(settings: Settings) -> Iterator[Finding]:
    url = settings.database_url
    yield machine.settings(unknown_settings())
    yield machine.proxy(settings.host, settings.forwarded_allow_ips)
    yield machine.backup(last_backup(settings.backup_folder), settings.backup_folder)
    database = create_database(settings)
    if not database.exists():
        yield failure("database", f"There is no database at {describe(url)}", "fluent-cart init")
        return
    if not is_postgresql(url):
        file = Path(make_url(url).database or "").absolute()
        yield from (machine.disk(file.parent), machine.file_system(file), machine.permissions(file))
    try:
        with database.snapshot() as connection:
            yield ok("database", f"{describe(url)} responds")
            yield from _look_inside(connection)
        if is_postgresql(url):
            yield shop.sessions(database.session_problem())
            if state := database.replica_state():
                yield shop.replica(state)
        yield shop.connections(settings.workers, settings.pool_size, database.max_connections())
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        advice = "Start the server, or correct FLUENT_CART_DATABASE_URL."
        if not is_postgresql(url):
            advice = "Check the file's owner and folder. If it is damaged, fluent-cart restore a backup."
        yield failure("database", f"{describe(url)} cannot be read: {reason}", advice)
    finally:
        database.stop()


def _look_inside(connection: Connection) -> Iterator[Finding]:
    yield shop.durability(connection)
    migration = shop.migration(connection)
    yield migration
    now, server = datetime.now(UTC), shop.server_time(connection)
    if migration.state is not Severity.OK:
        yield machine.clock(now, None, server)
        return
    newest = shop.newest_row(connection)
    yield machine.clock(now, datetime.fromisoformat(newest) if newest else None, server)
    yield from (shop.sign_in(connection), shop.demo_user(connection), shop.rules(connection))
