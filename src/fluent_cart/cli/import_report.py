"""The report of an import as a file of HTML."""

from pathlib import Path
from typing import Annotated

import typer

from fluent_cart.cli import runner
from fluent_cart.database.backup import require_foreign
from fluent_cart.formats.atomic_file import atomic_write
from fluent_cart.importers.html_report import Page, render

Html = Annotated[
    Path | None, typer.Option("--html", help="Write the report as a page of HTML, too, into this file.")
]


def write_report(file: Path, page: Page) -> None:
    """Write a page, which only its owner can read."""
    require_foreign(file, runner.read_settings().database_url)
    with atomic_write(file) as unfinished:
        unfinished.write_text(render(page), encoding="utf-8")
