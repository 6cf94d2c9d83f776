"""fluent-cart import wordpress."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from fluent_cart.cli import runner
from fluent_cart.cli.import_report import Html, write_report
from fluent_cart.cli.output import AsJson, CommandError, print_json, print_line, table
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database import create_database
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.live_database import add_password, needs_password, without_password
from fluent_cart.importers.wordpress.report import Found
from fluent_cart.importers.wordpress.report_page import page_of
from fluent_cart.importers.wordpress.shop import Options, Report, import_shop, read_source
from fluent_cart.importers.wordpress.sql_charsets import CHARSETS
from fluent_cart.settings import mysql_password

# The number of ids in a line of the report. The JSON has more.
EXAMPLES = 5


def wordpress(
    source: Annotated[
        str, typer.Argument(help="A dump, also packed, - for standard input, or mysql://USER@HOST/DATABASE.")
    ],
    prefix: Annotated[
        str | None, typer.Option(help="The prefix of the shop's tables, if there are several shops.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Change existing rows that differ from the source.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing. Print the same report.")] = False,
    test_orders: Annotated[bool, typer.Option("--test-orders", help="Import test orders, too.")] = False,
    charset: Annotated[
        str | None,
        typer.Option(help="The character set of a dump that names none or a wrong one, such as latin1."),
    ] = None,
    repair_text: Annotated[
        bool,
        typer.Option("--repair-text", help="Decode texts that were encoded twice, such as ZoÃ« for Zoë."),
    ] = False,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Import a FluentCart shop from WordPress, with its users and their application passwords.

    Example: fluent-cart import wordpress shop.sql.gz --dry-run
    """
    settings = runner.read_settings()
    runner.require_newest(settings)
    if charset and charset not in CHARSETS:
        raise CommandError(f"Unknown --charset. Use one of {', '.join(CHARSETS)}")
    shown, source = without_password(source), _with_password(source)
    options = Options(prefix, update, dry_run, test_orders, repair_text)

    async def run() -> Report:
        async with create_database(settings) as database:
            with ProgressBar() as bar:
                rows = read_source(
                    source, prefix, lambda done, total: bar.show("source", done, total), charset
                )
                return await import_shop(database, rows, options, bar.show)

    report = asyncio.run(run())
    if html:
        write_report(html, page_of(report, options, shown, _last_line(report, options)))
    if as_json:
        print_json({"dry_run": dry_run, **report.as_json()})
    else:
        _print(report, options)
    if report.refused() or not report.tables["customers"].read:
        raise typer.Exit(1)


def _with_password(source: str) -> str:
    """Return a source with the password of its database.

    The password is not an argument, because every local user can read arguments.
    """
    if not needs_password(source):
        return source
    password = mysql_password()
    if password is None and sys.stdin.isatty():
        password = typer.prompt("Password of the database", default="", show_default=False, hide_input=True)
    return add_password(source, password) if password else source


def _print(report: Report, options: Options) -> None:
    table([{"table": name, **counts.columns()} for name, counts in report.tables.items()], empty="")
    if report.missing:
        print_line(f"\nNot in the source: {', '.join(report.missing)}")
    if report.missing_columns:
        print_line(f"\nColumns that are not in the source: {', '.join(report.missing_columns)}")
    if report.missing_lists:
        print_line(f"\nNot in the source, or not readable: {', '.join(report.missing_lists)}")
    if options.update and (report.missing or report.missing_columns or report.missing_lists):
        print_line("What is not in the source changes and revokes nothing.")
    _print_issues("Not as it was:", {name: counts.handled for name, counts in report.tables.items()})
    _print_totals(report)
    _print_issues("Skipped:", {name: counts.skipped for name, counts in report.tables.items()})
    if report.revoked:
        print_line(f"\n{report.revoked} application passwords were revoked, as they were at the source.")
    left = sum(counts.statuses[RowStatus.LEFT] for counts in report.tables.values())
    if left:
        rows = "row" if left == 1 else "rows"
        print_line(f"\nNot changed, but different from the source: {left} {rows}. Use --update.")
    print_line(f"\n{_last_line(report, options)}")


def _last_line(report: Report, options: Options) -> str:
    done = "Nothing was written: this was a dry run." if options.dry_run else "The shop is imported."
    refused = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in report.refused().items())
    if refused:
        return f"{done} Refused: {refused}. The report has the reasons."
    return done if report.tables["customers"].read else f"{done} There is no customer in the source."


def _print_issues(title: str, tables: Mapping[str, Mapping[DataIssue, Found]]) -> None:
    if not any(tables.values()):
        return
    print_line(f"\n{title}")
    for name, issues in tables.items():
        for issue, found in issues.items():
            ids = ", ".join(map(str, found.ids[:EXAMPLES]))
            more = ", ..." if ids and found.number > EXAMPLES else ""
            print_line(
                f"  {name}: {found.number} {issue}: {issue.resolution}{f' ({ids}{more})' if ids else ''}"
            )


def _print_totals(report: Report) -> None:
    """Show the totals of the shop and the computed totals of a customer, where they differ."""
    for customer in report.totals[:EXAMPLES]:
        differs = {name: value for name, value in customer["here"].items() if customer["shop"][name] != value}
        words = ", ".join(f"{name} {customer['shop'][name]} -> {value}" for name, value in differs.items())
        print_line(f"    customer {customer['customer_id']}: {words}")
