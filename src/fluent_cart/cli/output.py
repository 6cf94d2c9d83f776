"""Print tables or JSON on standard output, and errors on standard error."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class CommandError(Exception):
    """A command cannot complete. The text has the reason and what to do."""


class WrongUsage(CommandError):
    """An argument or an option has a value that the command does not accept."""


def print_line(text: str) -> None:
    """Print one line or several. Characters that could control the terminal are escaped."""
    typer.echo(printable(text))


def printable(text: str) -> str:
    """Return a text with visible characters only: a name may contain escape sequences of terminals."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def print_error(text: str) -> None:
    """Print a line on standard error."""
    typer.echo(f"fluent-cart: {printable(text)}", err=True)


def print_warning(text: str) -> None:
    """Print a warning on standard error."""
    print_error(f"warning: {text}")


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    # JSON has escapes of its own.
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_result(text: str, value: Any, *, as_json: bool) -> None:
    """Print a result: a line for people, or a value for programs."""
    print_json(value) if as_json else print_line(text)


def table(rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print rows in columns under their names, or ``empty`` if there are none."""
    if not rows:
        print_line(empty)
        return
    lines = [
        tuple(rows[0]),
        *(tuple(printable(str(value)).replace("\n", "\\n") for value in row.values()) for row in rows),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
