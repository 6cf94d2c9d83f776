"""What the README tells people to type works."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fluent_cart.settings import Settings
from tests.server import demo_server

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_names_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(FLUENT_CART_\w+)` \| (?:`([^`]*)` )?\|", README, re.M))
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert rows == {f"FLUENT_CART_{name.upper()}": str(default) for name, default in defaults.items()}


# The commands as printed, but with their status in place of their answer.
STATUS_ONLY = "curl() { command curl -s -o /dev/null -w '%{http_code} ' \"$@\"; }\n"


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE README'S CURLS WERE NOT RUN: no curl here")
def test_every_curl_answers_200(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(API=.*?)```", README, re.S)
    (retries,) = re.findall(r"```sh\n(# Send a POST again.*?)```", README, re.S)
    # Only what a command of its own answers counts: one reads a tag for the next.
    block += retries.replace("$(curl", "$(command curl")
    commands = len(re.findall(r"^curl ", block, re.M))
    with demo_server(tmp_path) as address:
        script = block.replace("http://127.0.0.1:8000", address)
        done = subprocess.run(
            ["bash", "-c", STATUS_ONLY + script], capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["200"] * commands
    assert commands == 21
