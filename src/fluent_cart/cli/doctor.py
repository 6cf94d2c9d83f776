"""fluent-cart doctor."""

from collections import Counter
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.text import Text

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, CommandError, print_json, print_line, printable
from fluent_cart.doctor import Finding, Severity, run_checks
from fluent_cart.doctor.findings import failure

STYLES = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.FAILURE: "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check settings, database, disk, durability and users. Exit with 1 on a failure.

    Exit with 1 if there is one. Warnings are printed, but the exit code is 0. Nothing is changed.

    Example: fluent-cart doctor --json
    """
    try:
        settings = runner.read_settings()
    except CommandError as error:
        findings = [failure("settings", str(error), "Correct the environment, or the .env file.")]
        if not as_json:
            _show(findings[0])
    else:
        findings = run_checks(settings, (lambda _: None) if as_json else _show)
    if not as_json:
        print_line(_summary(findings))
    if as_json:
        print_json([finding._asdict() for finding in findings])
    if any(finding.state is Severity.FAILURE for finding in findings):
        raise typer.Exit(1)


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.state for finding in findings)
    warnings, failures = counts[Severity.WARNING], counts[Severity.FAILURE]
    return f"{counts[Severity.OK]} checks passed, {warnings} warnings, {failures} failures."


def _show(finding: Finding) -> None:
    # It colours only a terminal without NO_COLOR.
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        Text(f"{finding.state.value:8}", STYLES[finding.state]),
        printable(f"{finding.check}: {finding.text}"),
        markup=False,
    )
    if finding.advice:
        console.print(printable(f"{'':8} -> {finding.advice}"), markup=False)
