"""Every request of docs/privacy.md returns the answer behind it, and every command does its work."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_more_operations_guide import read
from tests.support.guides import blocks
from tests.support.paths import ROOT
from tests.support.server import COMMAND, demo_file_of, demo_server

PAGE = ROOT / "docs" / "privacy.md"
SETUP, *_ = blocks(PAGE)
STEPS = re.findall(r"```sh\n(.*?)```\n```json\n(.*?)```", PAGE.read_text(), re.S)


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDE'S CURLS WERE NOT RUN: no curl here")
def test_every_request_answers_as_printed_and_every_command_is_done(tmp_path: Path) -> None:
    assert len(STEPS) == len(blocks(PAGE)) - 1
    with demo_server(tmp_path) as address:
        for command, answer in STEPS:
            script = (SETUP + command).replace("http://127.0.0.1:8000", address)
            script = f'curl() {{ command curl -sS "$@"; }}\n{script}'
            done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
            assert read(done.stdout) == read(answer), command
        environment = os.environ | {"FLUENT_CART_DATABASE_URL": f"sqlite:///{demo_file_of(tmp_path)}"}
        for command in "".join(blocks(PAGE, "bash")).splitlines():
            words = [COMMAND, *command.split()[1:]]
            subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "customer-37.json").exists()
