"""fluent-cart migrate, recalculate, check."""

from typing import Annotated

import typer

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, print_error, print_json, print_line, print_result
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database import describe, migrations


def migrate(as_json: AsJson = False) -> None:
    """Migrate the database to the newest migration. Create it if it does not exist.

    Example: fluent-cart migrate
    """
    settings = runner.read_settings()
    is_new = runner.is_missing(settings)
    with ProgressBar() as bar:
        bar.show("migrate")
        migrations.upgrade(settings.database_url)
    database, newest = describe(settings.database_url), migrations.newest()
    result = {"database": database, "migration": newest, "new": is_new}
    # A wrong address creates another shop.
    made = "is new, and" if is_new else "is"
    print_result(f"{database} {made} at the newest migration ({newest}).", result, as_json=as_json)


def recalculate(as_json: AsJson = False) -> None:
    """Compute the totals of all customers from their orders.

    Example: fluent-cart recalculate
    """
    from fluent_cart.services import orders

    with ProgressBar() as bar:
        bar.show("recalculate")
        changed = runner.write(orders.recalculate)
    text = f"{changed} customers had other totals." if changed else "All totals were right."
    print_result(text, {"changed": changed}, as_json=as_json)


def check(as_json: AsJson = False) -> None:
    """Check every rule that must hold in a shop.

    Exit with 1 if one is broken.

    Example: fluent-cart check --json
    """
    # Imported here, because `migrate` runs at each start of a container, and takes a quarter less time
    # without them.
    from fluent_cart.services import invariants

    total = len(invariants.INVARIANTS)
    with ProgressBar() as bar:
        violations = runner.read(
            invariants.find_violations, progress=lambda done: bar.show("check", done, total)
        )
    if as_json:
        print_json({"rules": total, "broken": violations})
    else:
        for rule, ids in violations.items():
            print_error(f"broken: {rule} (for example {', '.join(map(str, ids))})")
        if not violations:
            print_line(f"All {total} rules hold.")
    if violations:
        raise typer.Exit(1)


def purge_changes(
    days: Annotated[
        int | None,
        typer.Option(min=0, help="Days of changes to keep. The default is FLUENT_CART_CHANGES_DAYS."),
    ] = None,
    all_changes: Annotated[
        bool, typer.Option("--all", help="Delete all changes, so that clients that sync start again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete old changes of customers, which clients that sync do not need any more.

    Example: fluent-cart purge-changes --days 7
    """
    from fluent_cart.services import changes

    kept = runner.read_settings().changes_days if days is None else days
    if all_changes:
        runner.write(changes.begin_epoch)
        print_result(
            "All changes are deleted. Clients that sync start again.", {"all": True}, as_json=as_json
        )
        return
    purged = runner.write(changes.purge_all, kept)
    print_result(f"{purged} changes are deleted.", {"purged": purged}, as_json=as_json)
