"""docs/decisions.md: a heading for each decision, and links to headings that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

from fluent_cart.pages import markdown

ROOT = Path(__file__).parents[1]
DECISIONS = (ROOT / "docs" / "decisions.md").read_text("utf-8")
FOLDERS = ("src", "tests", "docs", "benchmarks", "migrations", "deploy", ".github")
SUFFIXES = {".py", ".md", ".html", ".js", ".yml", ".conf", ".service", ".mjs", ".in", ".toml"}

# "docs/decisions.md#16-totals and #17-orders": the address of the page counts for all links of the sentence.
_LINKS = re.compile(r"decisions\.md((?:[,\s]*(?:and\s+)?#[a-z0-9][\w-]*)+)")
_BARE_NUMBER = re.compile(r"\bdecisions?\s+\d", re.IGNORECASE)


def texts() -> Iterator[tuple[Path, str]]:
    top = (path for path in ROOT.iterdir() if path.is_file())
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    for path in (*top, *below):
        if path.suffix in SUFFIXES and path != Path(__file__):
            yield path.relative_to(ROOT), path.read_text("utf-8")


TITLES = markdown.headings(DECISIONS, "h3")
ANCHORS = {markdown.slug(title) for title in TITLES}


def test_each_decision_has_a_heading_with_its_number() -> None:
    """A list item (``132. **Title.**``) has no address that a link could name."""
    assert re.findall(r"^ {0,3}\d+\. \*\*.*", DECISIONS, re.MULTILINE) == []
    assert [title for title in TITLES if not re.fullmatch(r"\d+\. \S.*", title)] == []
    numbers = [title.split(".")[0] for title in TITLES]
    assert sorted(numbers) == sorted(set(numbers))


def test_links_to_decisions_lead_to_headings() -> None:
    links = [
        (str(path), link)
        for path, text in texts()
        for group in _LINKS.findall(re.sub(r"\n\s*(?:# )?", " ", text))
        for link in re.findall(r"#([\w-]+)", group)
    ]
    assert len(links) > 100
    assert [(path, link) for path, link in links if link not in ANCHORS] == []


def test_links_within_the_decisions_lead_to_headings() -> None:
    links = re.findall(r"\]\(#([\w-]+)\)", DECISIONS)
    assert len(links) > 10
    assert [link for link in links if link not in ANCHORS] == []


def test_decisions_are_cited_by_links_and_not_by_bare_numbers() -> None:
    found = [(str(path), text) for path, text in texts() if _BARE_NUMBER.search(text)]
    assert [path for path, _ in found] == []
