"""The command line as people and programs use it: examples, JSON, completion, progress, exit codes."""

import inspect
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fluent_cart import __version__, demo
from fluent_cart.cli.lazy_command import LazyCommand
from fluent_cart.cli.main import COMMANDS
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.database import connect, migrations
from fluent_cart.services.invariants import INVARIANTS
from tests.cli.conftest import Run, printed
from tests.support.server import COMMAND


def commands() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the words of every command, and its function."""
    for command in COMMANDS:
        yield from commands_of(command.load())


def commands_of(group: typer.Typer, path: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the commands of an application."""
    for command in group.registered_commands:
        assert command.callback
        name = command.name or command.callback.__name__.replace("_", "-")
        yield f"{path}{name}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance
        yield from commands_of(inner.typer_instance, f"{path}{inner.name} ")


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_has_an_example(words: str, command: Callable[..., Any]) -> None:
    """Of itself, on a line of its own."""
    assert re.search(rf"^    Example: fluent-cart {words}( |$)", command.__doc__ or "", re.M), words


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_summary_in_the_help_is_the_first_sentence_of_the_command(command: LazyCommand) -> None:
    loaded = typer.main.get_command(command.load()).commands[command.name]  # type: ignore[attr-defined]
    assert command.help == loaded.help.partition("\n\n")[0].replace("\n", " ")


def loaded_by(*arguments: str, of: set[str]) -> tuple[list[str], int]:
    """Return which packages a command loads, and how many modules."""
    script = f"""if True:
        import json, sys
        from fluent_cart.cli.main import main
        sys.argv = ["fluent-cart", *{arguments!r}]
        try:
            main()
        finally:
            print(json.dumps([sorted({of!r} & set(sys.modules)), len(sys.modules)]), file=sys.stderr)
    """
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    packages, number = json.loads(ran.stderr)
    return packages, number


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_load_no_large_package(option: str) -> None:
    """People wait for them, and SQLAlchemy, FastAPI and pydantic are most of a start."""
    large = {"sqlalchemy", "fastapi", "starlette", "pydantic", "uvicorn", "alembic", "asyncpg"}
    packages, number = loaded_by(option, of=large)
    assert packages == []
    # 330 for the help. A start that loads all commands has more than 1,500.
    assert number < 450


def test_command_that_does_not_serve_loads_no_server() -> None:
    """Packages that few commands need are imported by those commands only."""
    script = """if True:
        import sys
        from fluent_cart.cli.main import COMMANDS
        large = {"fastapi", "starlette", "uvicorn", "email_validator", "rich.progress"}
        for command in COMMANDS:
            if command.name != "serve":
                command.load()
                assert not large & set(sys.modules), command.name
    """
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_command_with_output_prints_json_on_request() -> None:
    """All but `serve`, which writes a log."""
    silent = {
        words for words, command in commands() if "as_json" not in inspect.signature(command).parameters
    }
    assert silent == {"serve"}


def test_version_is_printed(run: Run) -> None:
    assert run("--version") == printed(f"fluent-cart {__version__}\n")


class TestJson:
    @pytest.fixture(autouse=True)
    def _shop(self, folder: Path) -> None:
        migrations.upgrade("sqlite:///fluent-cart.db")
        with connect("sqlite:///fluent-cart.db") as connection:
            demo.load(connection)

    def test_result_is_printed_as_json_on_request(self, run: Run) -> None:
        def asked(*arguments: str) -> Any:
            output = run(*arguments, "--json")
            assert (output.code, output.err) == (0, "")
            return json.loads(output.out)

        assert asked("check") == {"rules": len(INVARIANTS), "broken": {}}
        assert asked("recalculate") == {"changed": 0}
        assert asked("migrate") == {
            "database": "sqlite:///fluent-cart.db",
            "migration": migrations.newest(),
            "new": False,
        }
        made = asked("users", "create", "ada", "--email", "ada@example.com", "--role", "manager")
        assert made == {"id": 4, "login": "ada", "role": "manager"}
        listed = asked("users", "list")
        assert listed[-1]["login"] == "ada"
        password = asked("app-passwords", "create", "ada")
        assert re.fullmatch(r"(\w{4} ?){6}", password["password"])
        (stored,) = asked("app-passwords", "list", "ada")
        assert (stored["name"], stored["last_used"]) == ("API", None)
        assert asked("app-passwords", "revoke", str(stored["id"])) == {"id": stored["id"]}
        assert asked("users", "set-role", "ada", " worker ") == {"login": "ada", "role": "worker"}
        assert asked("users", "sign-out", "ada") == {"login": "ada", "ended": 0}
        assert asked("users", "delete", "ada") == {"login": "ada"}
        assert asked("copy", "sqlite:///fluent-cart.db", "sqlite:///other.db")["customers"] == 40
        assert asked("export", "a.ndjson") == {"file": "a.ndjson", "kind": "customers", "rows": 40}
        backup = asked("backup", "a.backup")
        assert backup["rows"].keys() >= {"customers", "customer_addresses", "orders", "users"}
        rows = backup["rows"]
        assert backup == {
            "rows": rows,
            "database": "sqlite:///fluent-cart.db",
            "file": "a.backup",
            "bytes": Path("a.backup").stat().st_size,
        }
        assert asked("restore", "a.backup", "--force") == {
            "database": "sqlite:///fluent-cart.db",
            "file": "a.backup",
            "rows": rows,
            "rules": len(INVARIANTS),
        }

    def test_broken_rule_as_json_exits_with_1(self, run: Run) -> None:
        with connect("sqlite:///fluent-cart.db") as connection:
            connection.exec_driver_sql("UPDATE customers SET total_spent = 1 WHERE id = 1")
        output = run("check", "--json")
        assert output.code == 1
        assert list(json.loads(output.out)["broken"].values()) == [[1]]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


class TestProgress:
    def test_progress_is_shown_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        screen = Screen()
        monkeypatch.setattr("sys.stderr", screen)
        with ProgressBar() as bar:
            bar.show("check", 1, 2)
            bar.show("check", 2, 2)
        assert "check" in screen.getvalue()
        assert "100%" in screen.getvalue()

    def test_progress_is_not_shown_without_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        with ProgressBar() as bar:
            bar.show("check", 1, 2)
        assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("shell", "typed", "word"),
    [
        ("bash", "do", "doctor"),
        ("bash", "users cr", "create"),
        ("bash", "serve --po", "--port"),
        ("zsh", "users cr", "create"),
        ("fish", "users cr", "create"),
    ],
)
def test_shells_complete_commands(shell: str, typed: str, word: str) -> None:
    completed = subprocess.run(
        [COMMAND],
        env={
            "_FLUENT_CART_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": f"fluent-cart {typed}",
            "COMP_CWORD": str(len(typed.split())),
            "_TYPER_COMPLETE_ARGS": f"fluent-cart {typed}",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert word in completed.stdout
