"""fluent-cart backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, CommandError, print_result
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database import backup as backups
from fluent_cart.database import connect, describe, migrations
from fluent_cart.database.backup_contents import Counts, count_rows
from fluent_cart.services import changes, invariants


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write. An older backup there is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Write the whole shop into a file, while it is served.

    Example: fluent-cart backup shop-monday.backup
    """
    settings = runner.read_settings()
    runner.require_database(settings)
    with runner.exit_on_sigterm(), ProgressBar() as bar:
        bar.show("backup")
        counts = backups.create_backup(settings.database_url, file)
    database = describe(settings.database_url)
    result = {"database": database, "file": str(file), "bytes": file.stat().st_size, "rows": counts}
    print_result(f"{database} is backed up in {file}: {_in_words(counts)}.", result, as_json=as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote, of the same kind of database.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the shop that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore the shop from a backup, upgrade it to the newest migration, and check it.

    Example: fluent-cart restore shop-monday.backup --force
    """
    url = runner.read_settings().database_url
    with runner.exit_on_sigterm(), ProgressBar() as bar:
        bar.show("restore")
        counts = _restore(file, url, bar, replace=force)
    database, rules = describe(url), len(invariants.INVARIANTS)
    result = {"database": database, "file": str(file), "rules": rules, "rows": counts}
    print_result(
        f"{database} is restored: {_in_words(counts)}. All {rules} rules hold.", result, as_json=as_json
    )


def _restore(file: Path, url: str, bar: ProgressBar, *, replace: bool) -> Counts:
    with backups.restore_into(file, url, replace=replace) as restored_url:
        bar.show("migrate and check")
        migrations.upgrade(restored_url)
        with connect(restored_url) as connection:
            changes.begin_epoch(connection)
            violations = invariants.find_violations(connection)
            counts = count_rows(connection)
        if violations:
            raise CommandError(f"The shop in {file} breaks a rule: {next(iter(violations))}")
    return counts


def _in_words(counts: Counts) -> str:
    return ", ".join(f"{number} {table.replace('_', ' ')}" for table, number in counts.items())
