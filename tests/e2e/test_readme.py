"""The commands of the README and the guides work, and their links lead to existing pages."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Self

import pytest

from fluent_cart.cli.main import COMMANDS
from fluent_cart.database import migrations
from fluent_cart.settings import Settings
from tests.support import postgres
from tests.support.guides import GUIDES, PAGES, blocks, name_of
from tests.support.paths import ROOT
from tests.support.server import demo_server, free_port, is_ready, until

# Guides whose commands run as printed in other tests, which compare the responses.
TESTED_ELSEWHERE = {
    "docs/guarantees.md": "test_guarantees",
    "docs/operate.md": "test_operate_guide, test_service_guides",
    "docs/upgrade.md": "test_service_guides",
    "docs/back-up.md": "test_service_guides",
    "docs/find-and-sync.md": "test_find_and_sync_guide",
    "docs/more-operations.md": "test_more_operations_guide",
    "docs/privacy.md": "test_privacy_guide",
    # Its answers are 302 and 401, too, and its passwords are typed at a terminal: cli/test_users.
    "docs/sign-in.md": "test_sign_in_guide",
}
# Commands that a test machine cannot run, by their beginning, and the test of each.
NOT_RUN = {
    "cp .env.example": "goes with Docker",
    "docker build": "test_deploy_files holds the Dockerfile against its promises",
    "docker run": "as docker build; test_wheel serves the demo of the wheel, which is what the image has",
    "uvx ": "test_wheel installs the wheel and serves its demo; uv wants an index of packages",
    "pipx ": "as uvx",
    "docker compose": "test_deploy_files holds docker-compose.yml against its specification",
    "fluent-cart import wordpress 'mysql:": "cli/test_import_wordpress imports from a live MariaDB",
}
# The shell of a guide is a plain one: no variable, and in PATH what the system has. The installed command is
# where pipx puts it. The guide for a first shop makes its own PATH. Commands run as printed, with two
# exceptions: make prints its commands, because it needs an index of packages, and curl prints the status in
# place of the response, and fails unless the status is 200.
SHELL = """
set -euo pipefail
make() { command make --dry-run -C "$ROOT" "$@" >/dev/null; }
curl() {
    local status
    status=$(command curl -sS -o /dev/null -w '%{http_code}' "$@")
    echo "status $status"
    [ "$status" = 200 ]
}
"""


def runnable(page: Path) -> list[str]:
    """Return the commands of each terminal. `serve` keeps its own, and then a new one begins."""
    if name_of(page) in TESTED_ELSEWHERE:
        return []
    terminals = [""]
    for line in "".join(blocks(page)).splitlines():
        if not line.startswith(tuple(NOT_RUN)):
            # One command may read the output of another.
            terminals[-1] += line.replace("$(curl", "$(command curl") + "\n"
        if line.startswith("fluent-cart serve"):
            terminals.append("")
    return [terminal for terminal in terminals if terminal.strip()]


def test_settings_are_documented_with_their_defaults() -> None:
    text = (ROOT / "docs/configure.md").read_text()
    rows = dict(re.findall(r"^\| `(FLUENT_CART_\w+)` \| (?:`([^`]*)` )?\|", text, re.M))
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert rows == {f"FLUENT_CART_{name.upper()}": str(default) for name, default in defaults.items()}


def test_readme_lists_every_command() -> None:
    rows = " ".join(re.findall(r"^\| (`fluent-cart .*?) \|", (ROOT / "README.md").read_text(), re.M))
    listed = set(re.findall(r"`(?:fluent-cart )?([a-z-]+)", rows))
    assert listed == {command.name for command in COMMANDS}


def test_commands_that_are_not_run_are_in_the_guides() -> None:
    lines = [line for page in PAGES for block in blocks(page) for line in block.splitlines()]
    assert [begin for begin in NOT_RUN if not any(line.startswith(begin) for line in lines)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_every_document_have_targets(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]


def test_readme_leads_to_every_guide() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name_of(page) for page in GUIDES if f"({name_of(page)})" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_blocks_name_their_language(page: Path) -> None:
    fences = re.findall(r"^ *```(\w*)(?: title=\S+)?$", page.read_text(), re.M)
    assert [language for language in fences[::2] if not language] == []


@pytest.fixture(scope="module")
def empty_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty_postgres(request: pytest.FixtureRequest) -> str:
    """An address as the guides print it, or that of an empty database."""
    if not postgres.AVAILABLE:
        return ""
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.mark.server
@pytest.mark.skipif(shutil.which("curl") is None, reason="THE GUIDES' COMMANDS WERE NOT RUN: no curl here")
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=name_of)
def test_every_command_of_a_guide_works(
    page: Path, installed: Path, empty_postgres: str, empty_shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "demo").mkdir()
    shutil.copy(ROOT / "tests/data/shop.sql.gz", tmp_path)
    # Create a file that a guide shows.
    for name, content in re.findall(r"^```\w+ title=(\S+)\n(.*?)^```", page.read_text(), re.M | re.S):
        (tmp_path / name).write_text(content)
    printed = "".join(runnable(page))
    if "fluent-cart migrate" not in printed and "fluent-cart init" not in printed:
        shutil.copy(empty_shop, tmp_path / "fluent-cart.db")
    is_install = "make install" in printed
    command = tmp_path / (".venv/bin" if is_install else ".local/bin") / "fluent-cart"
    command.parent.mkdir(parents=True)
    command.symlink_to(installed / "bin/fluent-cart")
    port = free_port()
    asks_demo = "127.0.0.1:8000" in printed and "fluent-cart serve" not in printed
    with demo_server(tmp_path / "demo") if asks_demo else nullcontext("") as demo, ExitStack() as servers:
        said = ""
        for script in runnable(page):
            script = script.replace("http://127.0.0.1:8000", demo or f"http://127.0.0.1:{port}")
            script = script.replace("fluent-cart serve", f"fluent-cart serve --port {port}")
            script = script.replace("postgresql://shop@127.0.0.1/shop", empty_postgres)
            if not empty_postgres:
                script = re.sub(
                    r"^fluent-cart copy .*\n.*FLUENT_CART_DATABASE_URL=.*$", "", script, flags=re.M
                )
            password = "".join(re.findall(r"^    ((?:\w{4} ){5}\w{4})$", said, re.M))
            terminal = servers.enter_context(
                Terminal(script, tmp_path, password, "" if is_install else str(command.parent))
            )
            if "fluent-cart serve" in script:
                until(lambda: is_ready(port), "the server of the guide")
            else:
                assert terminal.process.wait(timeout=300) == 0, terminal.output()
                assert terminal.output().count("status 200") == len(re.findall(r"^curl ", script, re.M))
            said += terminal.output()


class Terminal:
    """A plain shell that runs a script. At its end, all its processes end."""

    def __init__(self, script: str, folder: Path, pasted: str, path: str) -> None:
        number = len(list(folder.glob("terminal-*")))
        self._log = folder / f"terminal-{number}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f"{SHELL}\n{script}"],
                cwd=folder,
                env={"PATH": f"{path}:/usr/bin:/bin", "HOME": str(folder), "ROOT": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        assert self.process.stdin
        self.process.stdin.write(f"{pasted}\n".encode())
        self.process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=20)

    def output(self) -> str:
        return self._log.read_text()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_has_the_password_of_a_database(page: Path) -> None:
    assert re.findall(r"\w+://[^/@\s]*:[^/@\s]+@", "".join(blocks(page))) == []


def test_readme_has_a_curl_for_every_operation() -> None:
    assert len(re.findall(r"^curl ", "".join(blocks(ROOT / "README.md")), re.M)) >= 20
