"""fluent-cart doctor: each finding is made true once, and found."""

import json
import os
import re
import shutil
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text

from fluent_cart import demo
from fluent_cart.cli import runner
from fluent_cart.cli.output import CommandError
from fluent_cart.database import connect, migrations, sqlite
from fluent_cart.database.last_backup import last_backup
from fluent_cart.doctor import Finding, Severity, machine, run_checks, shop
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import application_passwords
from fluent_cart.services import users
from fluent_cart.services.application_passwords import create_application_password
from fluent_cart.settings import Settings
from tests.cli.conftest import Run
from tests.cli.conftest import run as run
from tests.support import postgres

CHECKS = ["settings", "proxy", "backup", "disk", "file system", "permissions", "database", "durability",
          "migrations", "clock", "users", "demo", "rules", "connections"]  # fmt: skip
NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)
Usage = namedtuple("Usage", "free")


def found(settings: Settings, check: str) -> Finding:
    [finding] = [finding for finding in run_checks(settings) if finding.check == check]
    return finding


def file_of(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


class TestSQLite:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        file_of(sqlite_settings).chmod(0o600)
        return sqlite_settings

    def test_doctor_finds_nothing_in_a_good_sqlite_shop(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine, "NETWORK", frozenset())
        monkeypatch.setattr(machine, "MEMORY", frozenset())
        shown: list[Finding] = []
        findings = run_checks(settings, shown.append)
        assert shown == findings
        assert [finding.check for finding in findings] == CHECKS
        weak = [
            each
            for each in findings
            if each.state is not Severity.OK and each.check not in ("file system", "disk", "backup")
        ]
        assert weak == []

    def test_doctor_finds_a_missing_database(self, tmp_path: Path) -> None:
        settings = Settings(database_url=f"sqlite:///{tmp_path}/none.db", _env_file=None)
        assert found(settings, "database") == Finding(
            "database",
            Severity.FAILURE,
            f"There is no database at sqlite:///{tmp_path}/none.db",
            "fluent-cart init",
        )
        assert list(tmp_path.iterdir()) == []

    def test_doctor_finds_a_file_that_is_not_a_database(self, settings: Settings) -> None:
        file_of(settings).write_bytes(b"this is no database" * 100)
        finding = run_checks(settings)[-1]
        assert (finding.check, finding.state) == ("database", Severity.FAILURE)
        assert "file is not a database" in finding.text
        assert "restore" in finding.advice

    def test_doctor_finds_an_old_migration(self, settings: Settings) -> None:
        migrations.downgrade(settings.database_url, "-1")
        finding = found(settings, "migrations")
        assert finding.state is Severity.FAILURE
        assert finding.advice == "Back up, then: fluent-cart migrate"
        # Unknown values are not judged.
        assert "rules" not in {each.check for each in run_checks(settings)}

    def test_doctor_finds_a_later_migration(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        finding = found(settings, "migrations")
        assert finding.state is Severity.FAILURE
        assert "later version" in finding.text

    def test_doctor_finds_writes_that_are_not_synced(self, settings: Settings) -> None:
        engine = sqlite.create_sqlite_engine(settings.database_url, begin=None, connections=1)
        with engine.connect() as connection:
            assert shop.durability(connection).state is Severity.OK
            connection.exec_driver_sql("PRAGMA synchronous=EXTRA")
            assert shop.durability(connection).state is Severity.OK
            connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
            finding = shop.durability(connection)
        engine.dispose()
        assert finding.state is Severity.FAILURE
        assert "synchronous=1" in finding.text

    def test_doctor_finds_a_file_that_all_users_can_read(self, settings: Settings) -> None:
        file_of(settings).chmod(0o644)
        finding = found(settings, "permissions")
        assert finding.state is Severity.WARNING
        assert f"chmod 600 {file_of(settings)}" in finding.advice
        file_of(settings).chmod(0o600)
        assert found(settings, "permissions").state is Severity.OK

    @pytest.mark.parametrize(
        ("free", "state"),
        [(1, Severity.FAILURE), (machine.FAIL_BELOW, Severity.WARNING), (machine.WARN_BELOW, Severity.OK)],
    )
    def test_doctor_finds_a_full_disk(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: Severity
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
        assert found(settings, "disk").state is state

    @pytest.mark.parametrize(
        ("kind", "state"),
        [
            ("nfs4", Severity.FAILURE),
            ("cifs", Severity.FAILURE),
            ("tmpfs", Severity.FAILURE),
            ("overlay", Severity.WARNING),
            ("ext4", Severity.OK),
        ],
    )
    def test_doctor_finds_a_network_share(self, tmp_path: Path, kind: str, state: Severity) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(f"a / xfs rw 0 0\nb /srv/the\\040shop {kind} rw 0 0\nc /srv/the xfs rw 0 0\n")
        finding = machine.file_system(Path("/srv/the shop/data/shop.db"), mounts)
        assert (finding.state, kind in finding.text) == (state, True)

    def test_doctor_reports_an_unknown_file_system(self, tmp_path: Path) -> None:
        assert machine.file_system(tmp_path, tmp_path / "nothing").state is Severity.OK

    def test_doctor_finds_a_shop_without_users(self, settings: Settings) -> None:
        counted = "{} users with permissions have an application password, {} a login password"
        assert found(settings, "users").text == counted.format(5, 5)
        with connect(settings.database_url) as connection:
            subscriber = users.user_id_of(connection, "subscriber")
            connection.execute(delete(ApplicationPassword).where(ApplicationPassword.user_id != subscriber))
            connection.execute(text("UPDATE users SET password_hash = NULL WHERE role != 'subscriber'"))
        finding = found(settings, "users")
        assert finding.state is Severity.WARNING
        assert "app-passwords create" in finding.advice

    @pytest.mark.parametrize(
        ("stored", "state"), [(demo.LOGIN_HASH, Severity.OK), ("0123456789abcdef", Severity.WARNING)]
    )
    def test_user_with_a_login_password_only_can_sign_in_if_its_hash_is_known(
        self, settings: Settings, stored: str, state: Severity
    ) -> None:
        with connect(settings.database_url) as connection:
            connection.execute(delete(ApplicationPassword))
            connection.execute(text("UPDATE users SET password_hash = NULL WHERE role != 'subscriber'"))
            users.set_password(connection, "administrator", stored)
        assert found(settings, "users").state is state

    def test_doctor_finds_the_demos_password(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            users.create_user(connection, "username", "demo@shop.example", "Demo", "worker")
            create_application_password(connection, "username", "Demo")
            assert shop.demo_user(connection).state is Severity.OK
            connection.execute(
                text("UPDATE application_passwords SET password_hash = :hash WHERE name = 'Demo'"),
                {"hash": application_passwords.digest("application_password")},
            )
        finding = found(settings, "demo")
        assert finding.state is Severity.FAILURE
        assert finding.advice == "Delete it: fluent-cart users delete username"

    def test_doctor_finds_a_broken_rule(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            connection.execute(text("UPDATE customer_counts SET count = count + 1 WHERE id = 0"))
        finding = found(settings, "rules")
        assert finding.state is Severity.FAILURE
        assert finding.text.startswith("1 rules are broken: the stored number of customers")


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
class TestPostgreSQL:
    def test_doctor_finds_nothing_in_a_good_postgresql_shop(self, shared_postgres_settings: Settings) -> None:
        findings = {finding.check: finding for finding in run_checks(shared_postgres_settings)}
        of_a_file = ("disk", "file system", "permissions")
        assert [*findings] == [
            *(check for check in CHECKS if check not in of_a_file and check != "connections"),
            "sessions",
            "connections",
        ]
        # A scratch server for tests may run without syncs, which its options show.
        findings.pop("durability")
        findings.pop("backup")
        assert [each for each in findings.values() if each.state is not Severity.OK] == []

    def test_doctor_finds_postgresql_without_synced_writes(self, shared_postgres_settings: Settings) -> None:
        with connect(shared_postgres_settings.database_url) as connection:
            connection.execute(text("SET synchronous_commit = off"))
            finding = shop.durability(connection)
        assert finding.state is Severity.FAILURE
        assert "synchronous_commit=off" in finding.text

    def test_doctor_and_serve_count_the_same_connections(self, shared_postgres_settings: Settings) -> None:
        """Each worker has connections for exports, too: ``serve`` would not start."""
        [most] = re.findall(r"server's (\d+)", found(shared_postgres_settings, "connections").text)
        each = int(most) // 4 - 1
        settings = shared_postgres_settings.model_copy(update={"workers": 4, "pool_size": each})
        finding = found(settings, "connections")
        assert finding.state is Severity.FAILURE
        with pytest.raises(CommandError, match="connections"):
            runner.require_capacity(settings, 4)

    def test_doctor_finds_too_few_connections(self, shared_postgres_settings: Settings) -> None:
        many = shared_postgres_settings.model_copy(update={"workers": 64, "pool_size": 100})
        finding = found(many, "connections")
        assert finding.state is Severity.FAILURE
        assert "64 workers with 100 connections each, and 2 for exports, need 6528" in finding.text

    def test_doctor_finds_an_unavailable_server(self) -> None:
        settings = Settings(database_url="postgresql://shop:hunter2@127.0.0.1:1/shop", _env_file=None)
        finding = run_checks(settings)[-1]
        assert (finding.check, finding.state) == ("database", Severity.FAILURE)
        assert "hunter2" not in str(run_checks(settings))
        assert "Start the server" in finding.advice


class TestMachine:
    @pytest.mark.parametrize(
        ("hours", "state"), [(None, Severity.WARNING), (1, Severity.OK), (49, Severity.WARNING)]
    )
    def test_missing_or_old_backup_is_a_warning(
        self, tmp_path: Path, hours: int | None, state: Severity
    ) -> None:
        if hours:
            (file := tmp_path / "Mon.backup").touch()
            then = datetime.now(UTC).timestamp() - hours * 3600
            os.utime(file, (then, then))
        finding = machine.backup(last_backup(str(tmp_path)), str(tmp_path))
        assert finding.state is state
        assert hours is None or f"{hours} hours old" in finding.text

    def test_doctor_finds_a_wrong_clock(self) -> None:
        hour = timedelta(hours=1)
        for now, newest, server, state in (
            (NOW, None, None, Severity.OK),
            (NOW, NOW - hour, NOW, Severity.OK),
            (NOW, NOW + hour, None, Severity.FAILURE),
            (NOW, None, NOW - hour, Severity.WARNING),
            (NOW, None, NOW + hour, Severity.WARNING),
            (datetime(1970, 1, 1, tzinfo=UTC), None, None, Severity.FAILURE),
        ):
            assert machine.clock(now, newest, server).state is state

    @pytest.mark.parametrize(
        ("host", "believed", "state"),
        [
            ("127.0.0.1", "127.0.0.1,::1", Severity.OK),
            ("127.0.0.1", "*", Severity.FAILURE),
            ("127.0.0.1", "127.0.0.1, 0.0.0.0/0", Severity.FAILURE),
            ("127.0.0.1", "::/0", Severity.FAILURE),
            ("127.0.0.1", "0.0.0.0/1,128.0.0.0/1", Severity.WARNING),
            ("127.0.0.1", "2001::/16", Severity.WARNING),
            ("127.0.0.1", "10.0.0.0/8,2001:db8::/32,", Severity.OK),
            ("127.0.0.1", "", Severity.OK),
            ("0.0.0.0", "10.0.0.0/8", Severity.WARNING),
        ],
    )
    def test_doctor_finds_proxies_that_are_trusted_too_widely(
        self, host: str, believed: str, state: Severity
    ) -> None:
        assert machine.proxy(host, believed).state is state


class TestCommand:
    @pytest.fixture(autouse=True)
    def _shop(self, sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(machine.WARN_BELOW))
        monkeypatch.setattr(machine, "MEMORY", frozenset())
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", sqlite_settings.database_url)

    def test_doctor_command_prints_each_finding_with_advice(
        self, run: Run, sqlite_settings: Settings
    ) -> None:
        file_of(sqlite_settings).chmod(0o644)
        output = run("doctor")
        assert (output.code, output.err) == (0, "")
        assert re.findall(r"^(?:ok|warning) +([a-z ]+):", output.out, re.M) == CHECKS
        assert f"         -> It has personal data: chmod 600 {file_of(sqlite_settings)}\n" in output.out
        assert "\x1b" not in output.out
        assert re.search(r"^\d+ checks passed, \d+ warnings, 0 failures\.$", output.out, re.M)

    def test_misspelt_setting_is_a_warning(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLUENT_CART_WORKRS", "3")
        output = run("doctor")
        assert (
            "warning  settings: Not settings, and the most similar setting: FLUENT_CART_WORKRS" in output.out
        )
        assert output.code == 0

    def test_doctor_command_escapes_control_characters(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_A\x1b[2J", "3")
        assert r"FLUENT_CART_A\x1b[2J" in run("doctor").out

    def test_doctor_command_exits_with_1_on_a_failure(self, run: Run, sqlite_settings: Settings) -> None:
        migrations.downgrade(sqlite_settings.database_url, "-1")
        output = run("doctor")
        assert output.code == 1
        assert "failure  migrations: " in output.out

    def test_doctor_command_prints_the_same_as_json(self, run: Run) -> None:
        output = run("doctor", "--json")
        findings: list[dict[str, Any]] = json.loads(output.out)
        assert [finding["check"] for finding in findings] == CHECKS
        assert {tuple(finding) for finding in findings} == {("check", "state", "text", "advice")}

    @pytest.mark.parametrize("options", [(), ("--json",)])
    def test_command_names_a_wrong_setting(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_PORT", "0")
        output = run("doctor", *options)
        assert output.code == 1
        assert "FLUENT_CART_PORT must be a whole number from 1 to 65535" in output.out
