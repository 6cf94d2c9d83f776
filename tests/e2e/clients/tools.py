"""Programs from npm and PyPI for these tests, with lock files of their own. The folder is not committed."""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / ".clients"
NPM = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
PIP = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.lock"]


@cache
def node_modules() -> Path:
    """Return the folder of that name. Skip the test, loudly, if Node or its packages are missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("NOT TESTED: no Node.js with npm on this machine")
    _install_once("node", ["package.json", "package-lock.json"], [NPM])
    return FOLDER / "node" / "node_modules"


@cache
def python() -> Path:
    """Return the Python with the generators of clients, of which one wants an older typer."""
    program = FOLDER / "python" / "venv" / "bin" / "python"
    commands = [[sys.executable, "-m", "venv", "--clear", "venv"], [str(program), *PIP]]
    _install_once("python", ["requirements.lock"], commands)
    return program


def openapi_generator() -> list[str | Path]:
    """Return the command of openapi-generator. Skip the test, loudly, if Java is not installed."""
    if not shutil.which("java"):
        pytest.skip("NOT TESTED: no Java on this machine, which openapi-generator needs")
    return [python().with_name("openapi-generator-cli"), "generate", "-q"]


def require_guzzle() -> None:
    """Skip the test, loudly, if PHP or the HTTP client of the generated client is missing."""
    command = ["php", "-r", "require 'GuzzleHttp/autoload.php'; mb_strlen('');"]
    if not shutil.which("php") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: no PHP with Guzzle and mbstring on this machine")


def _install_once(name: str, files: list[str], commands: list[list[str]]) -> None:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    # One worker of the tests installs, the others wait for it.
    with _locked(folder / "lock"):
        if (folder / "done").exists() and all(
            (folder / file).read_bytes() == (HERE / file).read_bytes() for file in files
        ):
            return
        (folder / "done").unlink(missing_ok=True)
        for file in files:
            shutil.copy(HERE / file, folder)
        for command in commands:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"NOT TESTED: {command[0]} cannot install what it takes: {done.stderr[-300:]}")
        (folder / "done").touch()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
