"""The pages of the repository, and the commands in them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

GUIDES = sorted((ROOT / "docs").rglob("*.md"))
_TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *GUIDES]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str = "sh") -> list[str]:
    """Return the commands of a page, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def steps(page: Path) -> list[tuple[str, str]]:
    """Return the commands of a page that have an answer behind them, each with its answer."""
    return re.findall(r"^```sh\n(.*?)^```\n```json\n(.*?)^```", page.read_text(), re.M | re.S)


def run_curls(script: str, address: str) -> str:
    """Run commands of a page against the server at ``address``. Return what they print."""
    script = script.replace("http://127.0.0.1:8000", address)
    script = f'curl() {{ command curl -sS "$@"; }}\n{script}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout


def read_answer(text: str) -> Any:
    """Return JSON with one time for all of its times."""
    return json.loads(_TIME.sub('"2024-01-01T10:00:00Z"', text))
