"""The command line as people and programs use it: examples, JSON, completion, progress, exit codes."""

import io
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from fluent_cart import __version__, demo
from fluent_cart.cli import cli
from fluent_cart.cli import progress as progress_module
from fluent_cart.cli.progress import Bar
from fluent_cart.database import connect, migrations
from fluent_cart.services.invariants import INVARIANTS
from tests.cli.conftest import Run, printed
from tests.server import COMMAND


def commands(group: typer.Typer = cli, path: str = "") -> Iterator[tuple[str, str]]:
    """Give the words of every command, and its help."""
    for command in group.registered_commands:
        assert command.callback
        name = command.name or command.callback.__name__.replace("_", "-")
        yield f"{path}{name}", command.callback.__doc__ or ""
    for inner in group.registered_groups:
        assert inner.typer_instance
        yield from commands(inner.typer_instance, f"{path}{inner.name} ")


@pytest.mark.parametrize(("words", "help_"), list(commands()))
def test_every_command_has_an_example(words: str, help_: str) -> None:
    """Of itself, on a line of its own."""
    assert re.search(rf"^    Example: fluent-cart {words}( |$)", help_, re.M), words


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version") == printed(f"fluent-cart {__version__}\n")


class TestJson:
    @pytest.fixture(autouse=True)
    def _shop(self, folder: Path) -> None:
        migrations.upgrade("sqlite:///fluent-cart.db")
        with connect("sqlite:///fluent-cart.db") as connection:
            demo.load(connection)

    def test_is_printed_on_request(self, run: Run) -> None:
        def asked(*arguments: str) -> Any:
            told = run(*arguments, "--json")
            assert (told.code, told.err) == (0, "")
            return json.loads(told.out)

        assert asked("check") == {"rules": len(INVARIANTS), "broken": {}}
        assert asked("recalculate") == {"changed": 0}
        assert asked("migrate") == {"database": "sqlite:///fluent-cart.db", "migration": migrations.newest()}
        made = asked("users", "create", "ada", "--email", "ada@example.com")
        assert made == {"id": 4, "login": "ada", "role": "subscriber"}
        listed = asked("users", "list")
        assert listed[-1]["login"] == "ada"
        password = asked("app-passwords", "create", "ada")
        assert re.fullmatch(r"(\w{4} ?){6}", password["password"])
        (stored,) = asked("app-passwords", "list", "ada")
        assert (stored["name"], stored["last_used"]) == ("API", None)
        assert asked("copy", "sqlite:///fluent-cart.db", "sqlite:///other.db")["customers"] == 39

    def test_of_a_broken_rule_exits_with_1(self, run: Run) -> None:
        with connect("sqlite:///fluent-cart.db") as connection:
            connection.exec_driver_sql("UPDATE customers SET total_spent = 1 WHERE id = 1")
        told = run("check", "--json")
        assert told.code == 1
        assert list(json.loads(told.out)["broken"].values()) == [[1]]


class TestProgress:
    def test_is_shown_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        screen = io.StringIO()
        monkeypatch.setattr(
            progress_module, "Console", lambda **_: Console(file=screen, force_terminal=True, width=80)
        )
        with Bar() as bar:
            bar.show("check", 1, 2)
            bar.show("check", 2, 2)
        assert "check" in screen.getvalue()
        assert "100%" in screen.getvalue()

    def test_is_shown_to_nobody_else(self, capsys: pytest.CaptureFixture[str]) -> None:
        with Bar() as bar:
            bar.show("check", 1, 2)
        assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str) -> None:
    completed = subprocess.run(
        [COMMAND],
        env={
            "_FLUENT_CART_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": "fluent-cart do",
            "COMP_CWORD": "1",
            "_TYPER_COMPLETE_ARGS": "fluent-cart do",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "doctor" in completed.stdout
