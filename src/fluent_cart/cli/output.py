"""What commands print: plain tables on standard output, complaints on standard error."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer


class CommandError(Exception):
    """A command cannot do what it was asked; the text says why and what helps."""


def say(text: str) -> None:
    """Print a line."""
    typer.echo(text)


def complain(text: str) -> None:
    """Print a line on standard error."""
    typer.echo(f"fluent-cart: {text}", err=True)


def table(rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print rows in columns under their names, or ``empty`` if there are none."""
    if not rows:
        say(empty)
        return
    lines = [tuple(rows[0]), *(tuple(str(value) for value in row.values()) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
