"""Each command of docs/find-and-sync.md has the response that the guide prints."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.guides import run_curls
from tests.support.paths import ROOT
from tests.support.server import demo_server

GUIDE = (ROOT / "docs" / "find-and-sync.md").read_text()
# Values that differ from run to run.
VARIABLE = {"changed_at", "updated_at", "cursor"}


def without_variable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_variable(each) for name, each in value.items() if name not in VARIABLE}
    return [without_variable(each) for each in value] if isinstance(value, list) else value


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDE'S CURLS WERE NOT RUN: no curl here")
def test_every_command_answers_as_the_guide_says(tmp_path: Path) -> None:
    start, *commands = re.findall(r"```sh\n(.*?)```", GUIDE, re.S)
    answers = re.findall(r"```json\n(.*?)```", GUIDE, re.S)
    assert len(commands) == len(answers) >= 4
    script = start + "".join(f"{command.strip()}; echo\n" for command in commands)
    with demo_server(tmp_path) as address:
        lines = run_curls(script, address).splitlines()
    printed = [without_variable(json.loads(line)) for line in lines if line]
    assert printed == [without_variable(json.loads(answer)) for answer in answers]
