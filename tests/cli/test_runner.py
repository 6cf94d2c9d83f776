"""The first steps of all commands: reading the settings, and checking the database."""

import re
import resource
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from fluent_cart.cli.failures import exit_code
from fluent_cart.database import migrations
from fluent_cart.database.file_lock import FileLock
from fluent_cart.errors import ServiceUnavailable
from tests.cli.conftest import Run, complained

COMMANDS = [
    ("check",),
    ("recalculate",),
    ("users", "list"),
    ("users", "create", "ada", "--email", "ada@example.com"),
    ("users", "set-role", "ada", "manager"),
    ("users", "delete", "ada"),
    ("app-passwords", "list", "ada"),
    ("app-passwords", "create", "ada"),
    ("app-passwords", "revoke", "1"),
]
OLD = "The database is not at the newest migration. Run: fluent-cart migrate"


class TestEveryCommand:
    def test_command_rejects_a_missing_database_and_creates_none(self, run: Run, folder: Path) -> None:
        for command in COMMANDS:
            assert run(*command) == complained(
                "There is no database at sqlite:///fluent-cart.db. Create a shop with: fluent-cart init"
            )
        assert list(folder.iterdir()) == []

    def test_command_rejects_a_database_at_an_old_migration(self, run: Run, folder: Path) -> None:
        migrations.upgrade("sqlite:///fluent-cart.db", "0001")
        for command in COMMANDS:
            assert run(*command) == complained(OLD)

    def test_command_rejects_a_file_that_is_not_a_database(self, run: Run, folder: Path) -> None:
        (folder / "fluent-cart.db").write_bytes(b"this is no database" * 100)
        for command in COMMANDS:
            assert run(*command) == complained(
                "sqlite:///fluent-cart.db: file is not a database. Look at it with: fluent-cart doctor"
            )

    def test_every_command_names_a_wrong_setting(
        self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_READ_THREADS", "many")
        for command in COMMANDS:
            assert run(*command) == complained("FLUENT_CART_READ_THREADS must be a whole number from 1 to 32")
        assert list(folder.iterdir()) == []


class TestSettings:
    def test_wrong_settings_in_the_env_file_are_named(self, run: Run, folder: Path) -> None:
        (folder / ".env").write_text("FLUENT_CART_WORKERS=100\n")
        assert run("migrate") == complained("FLUENT_CART_WORKERS must be a whole number from 1 to 64")

    def test_unknown_database_is_named(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", "mysql://shop:hunter2@127.0.0.1/shop")
        for command in (("migrate",), ("check",), ("serve",)):
            assert run(*command) == complained(
                "FLUENT_CART_DATABASE_URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
            )

    def test_misspelt_names_are_warned_of_with_the_nearest_one(
        self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_WORKRS", "3")
        monkeypatch.setenv("FLUENT_CART_COLOUR", "red")
        monkeypatch.setenv("FLUENT_CART_TEST_POSTGRES_URL", "postgresql://127.0.0.1/postgres")
        (folder / ".env").write_text("FLUENT_CART_DATABSE_URL=sqlite:///other.db\nOTHER=1\n")
        done = run("migrate")
        assert done.code == 0
        assert done.err.splitlines() == [
            "fluent-cart: warning: FLUENT_CART_COLOUR is not a setting. Remove it.",
            "fluent-cart: warning: FLUENT_CART_DATABSE_URL is not a setting."
            " Did you mean FLUENT_CART_DATABASE_URL?",
            "fluent-cart: warning: FLUENT_CART_WORKRS is not a setting. Did you mean FLUENT_CART_WORKERS?",
        ]

    def test_env_file_that_is_not_utf_8_is_rejected_in_one_line(self, run: Run, folder: Path) -> None:
        (folder / ".env").write_bytes("FLUENT_CART_HOST=Büro\n".encode("latin-1"))
        refused = run("check")
        assert (refused.code, refused.out) == (1, "")
        assert re.fullmatch(r"fluent-cart: [^\n]+\n", refused.err)


class TestWrites:
    def test_failed_write_prints_the_message_of_the_database(self, run: Run) -> None:
        run("migrate")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = Path("fluent-cart.db").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        Path("a.csv").write_text("email\n" + "".join(f"{number}@example.com\n" for number in range(2000)))
        try:
            failed = run("import", "csv", "a.csv")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (failed.code, failed.out) == (1, "")
        assert failed.err == "fluent-cart: The database is busy or not available. Try again: disk I/O error\n"

    @pytest.mark.parametrize(
        "cause",
        ["database or disk is full", 'could not extend file "base/5/1": No space left on device\nHINT: x'],
    )
    def test_write_to_a_full_disk_prints_that_there_is_no_room(
        self, cause: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        error = ServiceUnavailable()
        error.__cause__ = OperationalError("INSERT", None, Exception(cause))
        assert exit_code(error) == 1
        assert capsys.readouterr().err == (
            f"fluent-cart: There is no room on the disk of the database ({cause.partition(chr(10))[0]}):"
            " make room, and run the command again\n"
        )

    def test_full_temporary_folder_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert exit_code(sqlite3.OperationalError("database or disk is full")) == 1
        text = "There is no room in the temporary folder: make room, or name another with TMPDIR"
        assert capsys.readouterr().err == f"fluent-cart: {text}\n"
        with pytest.raises(sqlite3.OperationalError):
            exit_code(sqlite3.OperationalError("near SELECT: syntax error"))

    def test_write_fails_in_time_if_another_process_holds_the_lock(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The command ends then. It does not wait until the other releases the lock."""
        run("migrate")
        monkeypatch.setenv("FLUENT_CART_WRITE_TIMEOUT", "0.1")
        other = FileLock(Path("fluent-cart.db.lock"))
        create = ("users", "create", "ada", "--email", "ada@example.com")
        other.__enter__()
        letting_go = threading.Timer(30, other.close)
        letting_go.start()
        started = time.monotonic()
        try:
            assert run(*create) == complained("The database is busy or not available. Try again")
            assert time.monotonic() - started < 20
        finally:
            letting_go.cancel()
            letting_go.join()
            other.close()
        assert run("users", "list").out == "There are no users.\n"
        assert run(*create).code == 0
