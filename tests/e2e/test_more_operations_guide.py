"""Every command of docs/more-operations.md returns the answer that stands behind it."""

import shutil
from pathlib import Path

import pytest

from tests.support.guides import blocks, read_answer, run_curls, steps
from tests.support.paths import ROOT
from tests.support.server import demo_server

PAGE = ROOT / "docs" / "more-operations.md"
SETUP, *COMMANDS = blocks(PAGE)
STEPS = steps(PAGE)


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDE'S CURLS WERE NOT RUN: no curl here")
def test_every_command_answers_as_printed(tmp_path: Path) -> None:
    assert len(STEPS) == len(COMMANDS)
    with demo_server(tmp_path) as address:
        for command, answer in STEPS:
            assert read_answer(run_curls(SETUP + command, address)) == read_answer(answer), command
