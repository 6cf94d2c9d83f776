"""fluent-cart copy."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from fluent_cart.cli import session
from fluent_cart.cli.output import CommandError, say, table
from fluent_cart.database import connect, create_database, migrations, settle
from fluent_cart.database.copying import copy_shop
from fluent_cart.services import invariants


def copy(
    source_url: Annotated[str, typer.Argument(help="The shop to copy: sqlite:///PATH or postgresql://...")],
    target_url: Annotated[str, typer.Argument(help="An empty or missing database to copy it into.")],
) -> None:
    """Copy a whole shop into another, empty database, and check it there."""
    settings = session.read_settings().model_copy(update={"database_url": source_url})
    session.require_newest(settings)
    source = create_database(settings)
    migrations.upgrade(target_url)
    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True)) as bar:

        def progress(name: str, total: int, done: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.advance(tasks[name], done)

        try:
            with source.snapshot() as reader, connect(target_url) as writer:
                counts = copy_shop(reader, writer, progress)
                violations = invariants.find_violations(writer)
                if violations:
                    raise CommandError(
                        f"Nothing was copied, the shop breaks a rule: {next(iter(violations))}"
                    )
        finally:
            source.stop()
    settle(target_url)
    table([{"table": name, "rows": count} for name, count in counts.items()], empty="")
    say(f"The shop is copied; all {len(invariants.INVARIANTS)} rules hold.")
