"""The command line, run in this process as its script runs it, in an empty folder without settings."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from fluent_cart.cli import progress
from fluent_cart.cli.main import main
from fluent_cart.settings import Settings


class Result(NamedTuple):
    """The result of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


def show_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands show their progress, as at a terminal."""
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")


def printed(text: str) -> Result:
    """Return the result of a successful command."""
    return Result(0, text, "")


def complained(*complaints: str) -> Result:
    """Return the result of a command that could not: nothing printed, each complaint one line."""
    return Result(1, "", "".join(f"fluent-cart: {complaint}\n" for complaint in complaints))


def misused(complaint: str) -> Result:
    """Return the result of a command that does not take one of its values."""
    return Result(2, "", f"fluent-cart: {complaint}\n")


def warned(text: str, warning: str) -> Result:
    """Return the result of a successful command with a warning."""
    return Result(0, text, f"fluent-cart: warning: {warning}\n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings in the environment except those of a test."""
    for name in os.environ:
        if name.upper().startswith("FLUENT_CART_"):
            monkeypatch.delenv(name)
    (folder := tmp_path / "here").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line. Return its exit code and its output."""

    def run(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["fluent-cart", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        written = capsys.readouterr()
        assert exit_.value.code is None or isinstance(exit_.value.code, int)
        return Result(exit_.value.code or 0, written.out, written.err)

    return run


@pytest.fixture
def shop(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the shop that the commands are configured for."""
    monkeypatch.setenv("FLUENT_CART_DATABASE_URL", settings.database_url)
    return settings.database_url
