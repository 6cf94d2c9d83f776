"""The commands of docs/sign-in.md work."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fluent_cart import demo
from fluent_cart.cli import users
from tests.support.paths import ROOT
from tests.support.server import demo_server

GUIDE = (ROOT / "docs" / "sign-in.md").read_text()
# The commands as printed, but with their status in place of their answer.
STATUS_ONLY = "curl() { command curl -s -o /dev/null -w '%{http_code} ' \"$@\"; }\n"
# A browser runs the script of the page in test_docs.
[SCRIPT] = re.findall(r"```js\n(.*?)```", GUIDE, re.S)


def test_sign_in_guide_names_existing_commands() -> None:
    known = {command.name or command.callback.__name__.replace("_", "-")  # type: ignore[union-attr]
             for command in users.cli.registered_commands}  # fmt: skip
    named = set(re.findall(r"fluent-cart users ([a-z-]+)", GUIDE))
    assert named == {"set-password", "create", "sign-out"}
    assert named <= known


def test_sign_in_guide_has_the_login_of_the_demo() -> None:
    assert f"`{demo.LOGIN}`\nhas the login password `{demo.LOGIN_PASSWORD}`" in GUIDE
    assert f"-d log={demo.LOGIN} -d pwd={demo.LOGIN_PASSWORD} " in GUIDE


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDE'S CURLS WERE NOT RUN: no curl here")
@pytest.mark.parametrize(
    ("number", "statuses"), [(0, ["302", "200", "200", "302", "401"]), (1, ["200", "302", "200", "302"])]
)
def test_every_curl_of_the_sign_in_guide_has_the_printed_status(
    tmp_path: Path, number: int, statuses: list[str]
) -> None:
    block = re.findall(r"```sh\n(SITE=.*?)```", GUIDE, re.DOTALL)[number]
    with demo_server(tmp_path) as address:
        script = block.replace("http://127.0.0.1:8000", address).replace("$(curl", "$(command curl")
        done = subprocess.run(
            ["bash", "-c", STATUS_ONLY + script], capture_output=True, text=True, check=True, cwd=tmp_path
        )
    assert done.stdout.split() == statuses
