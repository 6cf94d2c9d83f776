"""fluent-cart copy."""

from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, CommandError, WrongUsage, print_json, print_line, table
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database import (
    UnsupportedDatabase,
    analyze,
    connect,
    create_database,
    describe,
    is_postgresql,
    migrations,
)
from fluent_cart.database.transfer import copy_shop
from fluent_cart.services import invariants


def copy(
    source_url: Annotated[str, typer.Argument(help="The shop to copy: sqlite:///PATH or postgresql://...")],
    target_url: Annotated[str, typer.Argument(help="An empty or missing database as the target.")],
    as_json: AsJson = False,
) -> None:
    """Copy a whole shop into another, empty database, and check it there.

    Example: fluent-cart copy sqlite:///fluent-cart.db postgresql://shop@db/shop
    """
    for argument, url in (("SOURCE_URL", source_url), ("TARGET_URL", target_url)):
        try:
            is_postgresql(url)
        except UnsupportedDatabase:
            raise WrongUsage(
                f"{argument} must be sqlite:///PATH or postgresql://USER@HOST/DATABASE"
            ) from None
    try:
        counts = _copy(source_url, target_url)
    except SQLAlchemyError as error:
        shops = f"{describe(source_url)} to {describe(target_url)}"
        raise CommandError(f"{shops}: {runner.reason_of(error)}") from None
    if as_json:
        print_json(counts)
        return
    table([{"table": name, "rows": count} for name, count in counts.items()], empty="")
    print_line(f"The shop is copied. All {len(invariants.INVARIANTS)} rules hold.")


def _copy(source_url: str, target_url: str) -> dict[str, int]:
    settings = runner.read_settings().model_copy(update={"database_url": source_url})
    runner.require_newest(settings)
    source = create_database(settings)
    migrations.upgrade(target_url)
    copied: dict[str, int] = {}
    with ProgressBar() as bar:

        def progress(name: str, total: int, done: int) -> None:
            copied[name] = copied.get(name, 0) + done
            bar.show(name, copied[name], total)

        try:
            with source.snapshot() as reader, connect(target_url) as writer:
                counts = copy_shop(reader, writer, progress)
                violations = invariants.find_violations(writer)
                if violations:
                    raise CommandError(
                        f"Nothing was copied, because the shop breaks a rule: {next(iter(violations))}"
                    )
        finally:
            source.stop()
    analyze(target_url)
    return {str(name): count for name, count in counts.items()}
