"""What the README and the guides tell people to type works, and where they point to is something."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from fluent_cart.database import migrations
from fluent_cart.settings import Settings
from tests.support import postgres
from tests.support.paths import ROOT
from tests.support.server import demo_server, free_port

GUIDES = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *GUIDES]

# Guides whose commands have tests that know what each of them answers.
TESTED_ELSEWHERE = {
    "docs/guarantees.md": "test_guarantees",
    "docs/operate.md": "test_operate_guide",
    "docs/upgrade.md": "test_operate_guide",
    "docs/import-export.md": "cli/",
    "docs/sign-in.md": "test_sign_in_guide",
    "docs/wordpress-clients.md": "test_wordpress_clients",
}
# What a test machine cannot do, by how the command begins, and what stands in for it.
NOT_RUN = {
    "cp .env.example": "goes with Docker",
    "docker compose": "test_deploy_files holds docker-compose.yml against its specification",
    "fluent-cart import wordpress 'mysql:": "cli/test_import_wordpress imports from a live MariaDB",
}
# Commands as printed, but: make tells what it would do, curl its status in place of the answer and fails
# unless it is 200, and what serves does so in the background once it answers.
SHELL = """
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
make() { command make --dry-run -C "$ROOT" "$@" >/dev/null; }
curl() {
    local status
    status=$(command curl -sS -o /dev/null -w '%{http_code}' "$@")
    echo "status $status"
    [ "$status" = 200 ]
}
fluent-cart() {
    if [ "$1" != serve ]; then
        command fluent-cart "$@"
        return
    fi
    command fluent-cart "$@" &
    for _ in $(seq 600); do
        if command curl -fs -o /dev/null "http://127.0.0.1:$SERVES/readyz"; then return; fi
        sleep 0.1
    done
    false
}
"""


# For those guides: the commands as printed, but with their status in place of their answer.
STATUS_ONLY = "curl() { command curl -s -o /dev/null -w '%{http_code} ' \"$@\"; }\n"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[str]:
    """Return the commands of a page, block by block."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S)


def runnable(page: Path) -> Iterator[str]:
    if name_of(page) in TESTED_ELSEWHERE:
        return
    for line in "".join(blocks(page)).splitlines():
        if not line.startswith(tuple(NOT_RUN)):
            # One command may read what another answers.
            yield line.replace("$(curl", "$(command curl").replace(".venv/bin/", "")


def test_the_settings_are_documented_with_their_defaults() -> None:
    text = (ROOT / "docs/configure.md").read_text()
    rows = dict(re.findall(r"^\| `(FLUENT_CART_\w+)` \| (?:`([^`]*)` )?\|", text, re.M))
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert rows == {f"FLUENT_CART_{name.upper()}": str(default) for name, default in defaults.items()}


def test_what_is_not_run_is_somewhere() -> None:
    lines = [line for page in PAGES for block in blocks(page) for line in block.splitlines()]
    assert [begin for begin in NOT_RUN if not any(line.startswith(begin) for line in lines)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]


def test_the_readme_leads_to_every_guide() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name_of(page) for page in GUIDES if f"({name_of(page)})" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_its_code_says_its_language(page: Path) -> None:
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
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if list(runnable(page))],
    ids=name_of,
)
def test_every_command_works(page: Path, empty_postgres: str, empty_shop: Path, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    shutil.copy(ROOT / "tests/data/shop.sql.gz", tmp_path)
    if "fluent-cart migrate" not in "".join(blocks(page)):
        shutil.copy(empty_shop, tmp_path / "fluent-cart.db")
    script = "\n".join(runnable(page))
    if not empty_postgres:
        script = re.sub(r"^fluent-cart copy .*\n.*FLUENT_CART_DATABASE_URL=.*$", "", script, flags=re.M)
    serves = free_port()
    asks_demo = "127.0.0.1:8000" in script
    with demo_server(tmp_path / "demo") if asks_demo else nullcontext("") as demo:
        script = script.replace("http://127.0.0.1:8000", demo).replace("8001", str(serves))
        script = script.replace("postgresql://shop@127.0.0.1/shop", empty_postgres)
        done = subprocess.run(
            ["bash", "-c", f"{SHELL}\n{script}"],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin",
                "ROOT": str(ROOT),
                "SERVES": str(serves),
                "FLUENT_CART_PORT": str(serves),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    asked = len(re.findall(r"^curl ", script, re.M))
    assert done.stdout.count("status 200") == asked


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_has_the_password_of_a_database(page: Path) -> None:
    assert re.findall(r"\w+://[^/@\s]*:[^/@\s]+@", "".join(blocks(page))) == []


def test_the_readme_has_a_curl_for_every_operation() -> None:
    assert len(re.findall(r"^curl ", "".join(blocks(ROOT / "README.md")), re.M)) >= 20
