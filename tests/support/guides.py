"""The pages of the repository, and the commands in them."""

import re
from pathlib import Path

from tests.support.paths import ROOT

GUIDES = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *GUIDES]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "sh") -> list[str]:
    """Return the commands of a page, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)
