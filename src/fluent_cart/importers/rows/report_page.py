"""The report of an import of a file as a page: the counts, every line that failed, and the next steps."""

from collections.abc import Iterator, Mapping

from fluent_cart.importers.html_report import Page, Section
from fluent_cart.importers.rows.run import Kind, Report

# The failed lines that are listed. The report as JSON has all.
LISTED = 1000


def page_of(kind: Kind, report: Report, source: str, verdict: str, *, dry_run: bool) -> Page:
    """Return the page of a report."""
    about = (
        f"Every line of the file has one status, or failed. The first {LISTED:,} lines that failed are below."
    )
    return Page(
        f"Import of {kind.name}" + (" (dry run)" if dry_run else ""),
        source,
        verdict,
        not report.errors,
        [*_next_steps(report, dry_run=dry_run)],
        [
            Section("Lines", about, [{"rows": kind.name, **report.columns()}]),
            Section("Failed", "Lines that are not imported, and the reasons.", [*_errors(report)][:LISTED]),
        ],
    )


def _errors(report: Report) -> Iterator[Mapping[str, str | int]]:
    for line, errors in report.errors.items():
        for field, texts in errors.items():
            yield {"line": line, "field": field, "reason": "; ".join(texts)}


def _next_steps(report: Report, *, dry_run: bool) -> Iterator[str]:
    if report.errors:
        yield "Correct the lines that failed, and import the file again: all other lines are found unchanged."
    if dry_run:
        yield "Nothing was written. Run the import without --dry-run, if this report is as you expect it."
    elif not report.errors:
        yield "Compare some rows with the program that the file comes from."
