"""Clients that are generated from the OpenAPI document compile, and a customer lives a whole life by them."""

import json
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fluent_cart import demo
from tests.e2e.clients import tools
from tests.e2e.clients.tools import HERE
from tests.support.server import demo_server

pytestmark = pytest.mark.server
LIVED = {
    "email": "typed@example.com",
    "city": "Berlin",
    "user_id": 1,
    "found": [True],
    "exported": "typed@example.com",
    "gone": "customer_not_found",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with demo_server(tmp_path_factory.mktemp("demo")) as address:
        yield address


@pytest.fixture
def document(address: str, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_bytes(httpx.get(f"{address}/openapi.json").content)
    return path


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def lived(output: str) -> Any:
    return json.loads(output.splitlines()[-1])


def test_linter_has_no_findings_in_the_document(document: Path) -> None:
    redocly = tools.node_modules() / ".bin" / "redocly"
    said = run(
        document.parent, redocly, "lint", document, "--config", HERE / "redocly.yaml", "--format", "json"
    )
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert found["problems"] == []


def test_typescript_client_works(document: Path, address: str) -> None:
    modules, folder = tools.node_modules(), document.parent
    (folder / "node_modules").symlink_to(modules)
    for name in ("package.json", "tsconfig.json", "life.ts"):
        shutil.copy(HERE / name, folder)
    generate = (modules / ".bin" / "openapi-typescript", document, "-o", "schema.d.ts")
    # Fields with a default may be left out of a request.
    run(folder, *generate, "--no-default-non-nullable")
    run(folder, modules / ".bin" / "tsc", "--project", "tsconfig.json")
    assert lived(run(folder, "node", "built/life.js", address, demo.LOGIN, demo.SECRET)) == LIVED


def test_python_client_works(document: Path, address: str) -> None:
    python, folder = tools.python(), document.parent
    shutil.copy(HERE / "life.py", folder)
    generator = (python, "-m", "openapi_python_client", "generate", "--path", document)
    run(folder, *generator, "--meta", "none", "--output-path", "shop_client")
    checker = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python)
    run(folder, *checker, "--cache-dir", tools.FOLDER / "mypy", "life.py")
    token = b64encode(f"{demo.LOGIN}:{demo.SECRET}".encode()).decode()
    assert lived(run(folder, python, "life.py", address, token)) == LIVED


def test_python_client_by_openapi_generator_works(document: Path, address: str) -> None:
    folder = document.parent
    run(folder, *tools.openapi_generator(), "-i", document, "-g", "python", "-o", "generated",
        "--additional-properties=packageName=shop_client")  # fmt: skip
    shutil.copy(HERE / "life_openapi_generator.py", folder / "generated")
    life = (tools.python(), "life_openapi_generator.py", address, demo.LOGIN, demo.SECRET)
    assert lived(run(folder / "generated", *life)) == LIVED | {"city": "Bern"}


def test_php_client_by_openapi_generator_works(document: Path, address: str) -> None:
    tools.require_guzzle()
    folder = document.parent
    run(folder, *tools.openapi_generator(), "-i", document, "-g", "php", "-o", "shop",
        "--additional-properties=invokerPackage=Shop")  # fmt: skip
    shutil.copy(HERE / "life_openapi_generator.php", folder)
    life = ("php", "life_openapi_generator.php", address, demo.LOGIN, demo.SECRET)
    assert lived(run(folder, *life)) == LIVED | {"city": "Bern"}
