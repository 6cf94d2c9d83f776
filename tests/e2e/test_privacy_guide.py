"""Every request of docs/privacy.md returns the answer behind it, and every command does its work."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.guides import blocks, read_answer, run_curls, steps
from tests.support.paths import ROOT
from tests.support.server import COMMAND, demo_file_of, demo_server

PAGE = ROOT / "docs" / "privacy.md"
SETUP, *COMMANDS = blocks(PAGE)
STEPS = steps(PAGE)


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDE'S CURLS WERE NOT RUN: no curl here")
def test_every_request_answers_as_printed_and_every_command_is_done(tmp_path: Path) -> None:
    assert len(STEPS) == len(COMMANDS)
    with demo_server(tmp_path) as address:
        for command, answer in STEPS:
            assert read_answer(run_curls(SETUP + command, address)) == read_answer(answer), command
        environment = os.environ | {"FLUENT_CART_DATABASE_URL": f"sqlite:///{demo_file_of(tmp_path)}"}
        for command in "".join(blocks(PAGE, "bash")).splitlines():
            words = [COMMAND, *command.split()[1:]]
            subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "customer-37.json").exists()
