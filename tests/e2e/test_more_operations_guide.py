"""Every command of docs/more-operations.md returns the answer that stands behind it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.server import demo_server

PAGE = (ROOT / "docs" / "more-operations.md").read_text()
SETUP, *_ = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
STEPS = re.findall(r"```sh\n(.*?)```\n```json\n(.*?)```", PAGE, re.S)
TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')


def read(text: str) -> Any:
    """Return JSON with one time for all of its times."""
    return json.loads(TIME.sub('"2024-01-01T10:00:00Z"', text))


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDE'S CURLS WERE NOT RUN: no curl here")
def test_every_command_answers_as_printed(tmp_path: Path) -> None:
    assert len(STEPS) == PAGE.count("```sh") - 1
    with demo_server(tmp_path) as address:
        for command, answer in STEPS:
            script = (SETUP + command).replace("http://127.0.0.1:8000", address)
            script = f'curl() {{ command curl -sS "$@"; }}\n{script}'
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
            assert read(done.stdout) == read(answer), command
