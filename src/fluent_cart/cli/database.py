"""fluent-cart migrate, recalculate, check."""

import typer

from fluent_cart.cli import session
from fluent_cart.cli.output import complain, say
from fluent_cart.database import describe, migrations
from fluent_cart.services import invariants, orders


def migrate() -> None:
    """Bring the database to the newest migration; make it if there is none."""
    settings = session.read_settings()
    migrations.upgrade(settings.database_url)
    say(f"{describe(settings.database_url)} is at the newest migration ({migrations.newest()}).")


def recalculate() -> None:
    """Compute the totals of all customers from their orders."""
    changed = session.write(orders.recalculate)
    say(f"{changed} customers had other totals." if changed else "All totals were right.")


def check() -> None:
    """Check every rule that must hold in a shop; exit with 1 if one is broken."""
    violations = session.read(invariants.find_violations)
    for rule, ids in violations.items():
        complain(f"broken: {rule} (for example {', '.join(map(str, ids))})")
    if violations:
        raise typer.Exit(1)
    say(f"All {len(invariants.INVARIANTS)} rules hold.")
