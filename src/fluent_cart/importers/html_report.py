"""Render the report of an import as one page of HTML, without scripts and other files."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #1a7f37; --bad: #b35900; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.source { opacity: .75; margin-top: .25rem; overflow-wrap: anywhere; }
.verdict { border-left: .3rem solid var(--good); padding: .5rem 1rem; background: #8881; font-weight: 600; }
.verdict.bad { border-color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } td.number, th.number { text-align: right; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; }
th, td { border-bottom: 1px solid var(--line); }
td.number { font-variant-numeric: tabular-nums; } code { font-size: .9em; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
"""


class Section(NamedTuple):
    """A table with a heading. Numbers are aligned to the right."""

    heading: str
    about: str
    rows: Sequence[Mapping[str, str | int]]


class Page(NamedTuple):
    title: str
    source: str
    verdict: str
    is_complete: bool
    next_steps: Sequence[str]
    sections: Sequence[Section]


def render(page: Page) -> str:
    """Return the page. All texts of the shop are escaped, and the policy allows only the style."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    steps = "".join(f"<li>{escape(step)}</li>" for step in page.next_steps)
    sections = "".join(_section(section) for section in page.sections if section.rows)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(page.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(page.title)}</h1>
<p class="source">{escape(page.source)}</p>
<p class="verdict{"" if page.is_complete else " bad"}">{escape(page.verdict)}</p>
<h2>What to do</h2>
<ol>{steps}</ol>
{sections}</body>
</html>
"""


def _section(section: Section) -> str:
    columns = list(section.rows[0])
    numbers = {name for name, value in section.rows[0].items() if isinstance(value, int)}
    head = "".join(f"<th{_align(name in numbers)}>{escape(name)}</th>" for name in columns)
    rows = "".join(f"<tr>{_cells(row.values())}</tr>\n" for row in section.rows)
    return (
        f"<h2>{escape(section.heading)}</h2>\n<p>{escape(section.about)}</p>\n"
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _cells(values: Iterable[str | int]) -> str:
    return "".join(f"<td{_align(isinstance(value, int))}>{_text(value)}</td>" for value in values)


def _text(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else escape(value)


def _align(is_number: bool) -> str:
    return ' class="number"' if is_number else ""
