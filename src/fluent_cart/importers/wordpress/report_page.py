"""The report of an import from WordPress as a page: counts, every issue with examples, the next steps."""

from collections.abc import Callable, Iterator, Mapping

from fluent_cart.importers.html_report import Page, Section
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.wordpress.issues import REFUSED, DataIssue
from fluent_cart.importers.wordpress.report import Found, Report, TableReport
from fluent_cart.importers.wordpress.run import Options

# The number of listed ids of each issue. The report as JSON has more.
EXAMPLES = 20


def page_of(report: Report, options: Options, source: str, verdict: str) -> Page:
    """Return the page of a report. ``source`` must not contain a password."""
    refused = sum(report.refused().values())
    return Page(
        "Import from WordPress" + (" (dry run)" if options.dry_run else ""),
        source,
        verdict,
        not refused and bool(report.tables["customers"].read),
        [*_next_steps(report, options)],
        [
            Section("Rows", "Every row of the source has one status, or is skipped.", _counts(report)),
            Section(
                "Refused",
                "Rows of the shop that should be here, and are not.",
                [*_issues(report, lambda table: table.skipped, lambda issue: issue in REFUSED)],
            ),
            Section(
                "Imported with a change",
                "Rows that are here, but not as they were.",
                [*_issues(report, lambda table: table.handled, lambda _issue: True)],
            ),
            Section(
                "Left out",
                "Rows that a shop here does not need, or whose owner does not exist.",
                [*_issues(report, lambda table: table.skipped, lambda issue: issue not in REFUSED)],
            ),
            Section(
                "Not in the source",
                "Tables, columns and lists that are missing or unreadable. They change and revoke nothing.",
                [
                    {"name": name}
                    for name in (*report.missing, *report.missing_columns, *report.missing_lists)
                ],
            ),
            Section(
                "Totals that differ",
                "The shop's own figures, and those of the orders that are here. The orders count.",
                [*_totals(report)],
            ),
        ],
    )


def _counts(report: Report) -> list[Mapping[str, str | int]]:
    return [
        {
            "table": name.replace("_", " "),
            "read": table.read,
            **{status.value: number for status, number in table.statuses.items()},
            "skipped": sum(found.number for found in table.skipped.values()),
        }
        for name, table in report.tables.items()
    ]


def _issues(
    report: Report,
    group: Callable[[TableReport], Mapping[DataIssue, Found]],
    is_wanted: Callable[[DataIssue], bool],
) -> Iterator[Mapping[str, str | int]]:
    for name, table in report.tables.items():
        for issue, found in group(table).items():
            if is_wanted(issue):
                more = ", ..." if found.number > len(found.ids[:EXAMPLES]) and found.ids else ""
                yield {
                    "table": name.replace("_", " "),
                    "issue": issue.value.replace("_", " "),
                    "rows": found.number,
                    "what was done": issue.resolution,
                    "ids": ", ".join(map(str, found.ids[:EXAMPLES])) + more,
                }


def _totals(report: Report) -> Iterator[Mapping[str, str | int]]:
    for customer in report.totals:
        for name, value in customer["here"].items():
            if customer["shop"][name] != value:
                yield {
                    "customer": customer["customer_id"],
                    "total": name,
                    "in the shop": str(customer["shop"][name]),
                    "here": str(value),
                }


def _next_steps(report: Report, options: Options) -> Iterator[str]:
    issues = {issue for table in report.tables.values() for issue in (*table.skipped, *table.handled)}
    if report.refused():
        yield "Look at the refused rows below. Correct them in WordPress, and import a new dump."
    if DataIssue.ID_TAKEN in issues:
        yield (
            "Some ids belong to rows that were created here. Import into a shop without users and customers"
            " of its own."
        )
    if not report.tables["customers"].read:
        yield "The source has no customer. Check that it is a dump of the whole database of the shop."
    if report.missing or report.missing_columns or report.missing_lists:
        yield "Make a dump that has the missing tables and columns, if the shop has them."
    if DataIssue.TWICE_ENCODED in issues:
        yield "Add --repair-text, if the texts that were encoded twice are names such as ZoÃ«."
    if any(table.statuses[RowStatus.LEFT] for table in report.tables.values()):
        yield "Some rows differ from the source and were not changed. Use --update to change them."
    if options.dry_run:
        yield "Nothing was written. Run the import without --dry-run, if this report is as you expect it."
    else:
        yield "Run fluent-cart check, and compare some customers with WordPress."
        yield "Point the programs that used WordPress at this server. Their passwords are the same."
