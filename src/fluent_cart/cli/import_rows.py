"""fluent-cart import csv, ndjson and orders."""

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer

from fluent_cart.cli import runner
from fluent_cart.cli.export import Format, format_of
from fluent_cart.cli.import_report import Html, write_report
from fluent_cart.cli.output import WrongUsage, print_line, table
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database import create_database
from fluent_cart.enums import FileFormat
from fluent_cart.formats.input_file import open_input
from fluent_cart.formats.row_reader import read_rows
from fluent_cart.importers.rows.mappings import (
    MAPPINGS,
    ColumnMapping,
    Program,
    columns_of,
    mapped,
    parse_mapping,
)
from fluent_cart.importers.rows.report_page import page_of
from fluent_cart.importers.rows.run import CUSTOMERS, ORDERS, Kind, Report, import_rows

# The lines whose errors are printed. The JSON has all.
SHOWN = 20

File = Annotated[str, typer.Argument(help="The file, also .gz, .bz2, .xz or .zip. - is standard input.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing, and print the same report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON, with all lines that failed.")]
Ignore = Annotated[list[str] | None, typer.Option(help="A column to ignore. It may be repeated.")]


def csv(
    file: File,
    program: Annotated[
        Program | None, typer.Option("--format", help="The program that exported the customers.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A JSON file that names the field for each column.")
    ] = None,
    dry_run: DryRun = False,
    ignore: Ignore = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Import customers and their addresses from a file of CSV, as `export` or another program writes it.

    Example: fluent-cart import csv customers.csv --dry-run
    """
    if program and mapping:
        raise WrongUsage("--format and --mapping exclude each other")
    chosen = MAPPINGS[program] if program else mapping and parse_mapping(mapping.read_text())
    _import(
        CUSTOMERS, file, FileFormat.CSV, ignore, chosen or None, dry_run=dry_run, html=html, as_json=as_json
    )


def ndjson(
    file: File,
    dry_run: DryRun = False,
    ignore: Ignore = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Import customers and their addresses from a file with a JSON object in each line.

    Example: fluent-cart import ndjson customers.ndjson
    """
    _import(CUSTOMERS, file, FileFormat.NDJSON, ignore, dry_run=dry_run, html=html, as_json=as_json)


def orders(
    file: File,
    file_format: Format = None,
    dry_run: DryRun = False,
    ignore: Ignore = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Import orders from a file, and recalculate their customers' totals.

    Example: fluent-cart import orders orders.csv
    """
    _import(ORDERS, file, format_of(file, file_format), ignore, dry_run=dry_run, html=html, as_json=as_json)


def _import(
    kind: Kind,
    file: str,
    file_format: FileFormat,
    ignore: list[str] | None,
    mapping: ColumnMapping | None = None,
    *,
    dry_run: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    columns = kind.columns if mapping is None else columns_of(mapping)
    columns = columns._replace(ignored=columns.ignored.union(ignore or ()))
    settings = runner.read_settings()
    runner.require_newest(settings)

    async def run() -> Report:
        with open_input(file) as opened, ProgressBar() as bar:
            lines = read_rows(opened.stream, file_format, columns)
            if mapping is not None:
                lines = mapped(lines, mapping)

            def progress() -> None:
                bar.show(kind.name, opened.position(), opened.size)

            async with create_database(settings) as database:
                return await import_rows(database, kind, lines, progress, dry_run=dry_run)

    report = asyncio.run(run())
    if html:
        write_report(html, page_of(kind, report, file, _last_line(report, dry_run=dry_run), dry_run=dry_run))
    if as_json:
        errors = [{"line": number, "errors": texts} for number, texts in report.errors.items()]
        whole = {"dry_run": dry_run, **report.columns(), "errors": errors}
        print_line(orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(kind, report, dry_run=dry_run)
    if report.errors:
        raise typer.Exit(1)


def _print(kind: Kind, report: Report, *, dry_run: bool) -> None:
    table([{"rows": kind.name, **report.columns()}], empty="")
    if report.errors:
        print_line("\nFailed:")
        for number, texts in list(report.errors.items())[:SHOWN]:
            words = "; ".join(f"{name}: {', '.join(each)}" for name, each in texts.items())
            print_line(f"  line {number}: {words}")
        if len(report.errors) > SHOWN:
            print_line(f"  and {len(report.errors) - SHOWN} more lines. --json prints all of them")
    print_line(f"\n{_last_line(report, dry_run=dry_run)}")


def _last_line(report: Report, *, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was written: this was a dry run."
    if report.errors:
        lines, them = ("line", "it") if report.failed == 1 else ("lines", "them")
        return (
            f"Not imported: {report.failed} {lines}. Correct {them} and run the import again."
            " All other lines are imported."
        )
    return "The file is imported."
