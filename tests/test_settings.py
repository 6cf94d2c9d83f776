"""Settings from the environment and from ``.env``. ``test_readme`` has their names and defaults."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fluent_cart.settings import Settings

DEFAULTS = {
    "database_url": "sqlite:///fluent-cart.db",
    "database_read_url": "",
    "host": "127.0.0.1",
    "demo_host": "127.0.0.1",
    "port": 8000,
    "forwarded_allow_ips": "127.0.0.1,::1",
    "cors_origins": "",
    "workers": 1,
    "log_level": "info",
    "log_format": "auto",
    "metrics_allow": "127.0.0.1,::1",
    "telemetry": False,
    "backup_folder": "backups",
    "write_timeout": 4.0,
    "export_timeout": 900.0,
    "changes_days": 30,
    "pool_size": 8,
    "read_threads": 2,
    "rate_limit": 100,
    "rate_limit_file": "",
    "failed_login_limit": 10,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings in the environment."""
    for name in os.environ:
        if name.upper().startswith("FLUENT_CART_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestSources:
    def test_settings_without_a_source_have_defaults(self) -> None:
        assert Settings().model_dump() == DEFAULTS

    def test_settings_are_read_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = {
            "database_url": "postgresql://shop:secret@db.example/shop",
            "database_read_url": "postgresql://shop:secret@replica.example/shop",
            "host": "0.0.0.0",
            "demo_host": "0.0.0.0",
            "port": 8080,
            "forwarded_allow_ips": "10.0.0.0/8",
            "cors_origins": "https://admin.example,http://localhost:5173",
            "workers": 3,
            "log_level": "debug",
            "log_format": "json",
            "metrics_allow": "10.0.0.0/8",
            "telemetry": True,
            "backup_folder": "/srv/backups",
            "write_timeout": 0.5,
            "export_timeout": 60.0,
            "changes_days": 7,
            "pool_size": 4,
            "read_threads": 1,
            "rate_limit": 20,
            "rate_limit_file": "/run/fluent-cart",
            "failed_login_limit": 3,
        }
        for name, value in given.items():
            monkeypatch.setenv(f"FLUENT_CART_{name.upper()}", str(value))
        assert Settings().model_dump() == given

    def test_settings_are_read_from_an_env_file(self, folder: Path) -> None:
        (folder / ".env").write_text('# the shop\nFLUENT_CART_PORT=8080\nfluent_cart_host="0.0.0.0"\n')
        assert Settings().model_dump() == DEFAULTS | {"port": 8080, "host": "0.0.0.0"}

    def test_environment_wins_over_the_file(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / ".env").write_text("FLUENT_CART_PORT=8080\nFLUENT_CART_WORKERS=2\n")
        monkeypatch.setenv("FLUENT_CART_PORT", "9090")
        assert Settings().model_dump() == DEFAULTS | {"port": 9090, "workers": 2}

    def test_arguments_win_over_environment_and_env_file(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / ".env").write_text("FLUENT_CART_PORT=8080\n")
        monkeypatch.setenv("FLUENT_CART_PORT", "9090")
        assert Settings(port=7070).port == 7070

    def test_unknown_setting_names_are_ignored(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / ".env").write_text("FLUENT_CART_COLOUR=red\nPORT=1\nDATABASE_URL=sqlite:///other.db\n")
        monkeypatch.setenv("FLUENT_CART_TEST_POSTGRES_URL", "postgresql://127.0.0.1/postgres")
        monkeypatch.setenv("HOST", "other.example")
        assert Settings().model_dump() == DEFAULTS


BOUNDS: dict[str, tuple[list[Any], list[Any]]] = {
    "PORT": (["1", "65535"], ["0", "65536", "-1", "80.5", "http", ""]),
    "WORKERS": (["1", "64"], ["0", "65", "two", ""]),
    "WRITE_TIMEOUT": (["0.01", "60"], ["0", "-1", "60.1", "nan", "inf", "soon", ""]),
    "EXPORT_TIMEOUT": (["0.01", "86400"], ["0", "-1", "86401", "nan", "inf", "soon", ""]),
    "CHANGES_DAYS": (["1", "3650"], ["0", "3651", ""]),
    "POOL_SIZE": (["3", "100"], ["2", "101", ""]),
    "READ_THREADS": (["1", "32"], ["0", "33", ""]),
    "RATE_LIMIT": (["0", "1000000"], ["-1", "1000001", "0.5", ""]),
    "FAILED_LOGIN_LIMIT": (["0", "1000"], ["-1", "1001", "ten", ""]),
    "CORS_ORIGINS": (
        [
            "",
            "https://a.example",
            "http://localhost:5173 , https://b-c.example",
            "app://shop",
            "http://[::1]:80",
        ],
        [
            "*",
            "null",
            "a.example",
            "https://*.example",
            "https://a.example/",
            "https://a.example/app",
            "https://A.example",
            "https://a.example,",
            "https://a.example https://b.example",
            "https://a.example:port",
            "https://a.example\n",
            " https://a.example",
        ],
    ),
    "FORWARDED_ALLOW_IPS": (
        ["", "*", "127.0.0.1,::1", "10.0.0.0/8 , 2001:db8::/32", "127.0.0.1,", "0.0.0.0/0"],
        [
            "garbage",
            "300.1.1.1",
            "10.0.0.1/8",
            "127.0.0.1,*",
            "127.0.0.1 ::1",
            "10.0.0.0/33",
            "proxy.example",
        ],
    ),
    "LOG_FORMAT": (["auto", "json", "console"], ["", "text", "json\n"]),
    "LOG_LEVEL": (
        ["critical", "error", "warning", "info", "debug"],
        ["", "verbose", "trace", "infos", " info", "info\n", "20"],
    ),
}


class TestBounds:
    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name in BOUNDS for value in BOUNDS[name][0]]
    )
    def test_setting_within_its_bounds_is_accepted(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(f"FLUENT_CART_{name}", value)
        assert str(Settings().model_dump()[name.lower()]).removesuffix(".0") == value

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name in BOUNDS for value in BOUNDS[name][1]]
    )
    def test_setting_outside_its_bounds_is_rejected_by_name(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(f"FLUENT_CART_{name}", value)
        with pytest.raises(ValidationError) as caught:
            Settings()
        assert [error["loc"] for error in caught.value.errors()] == [(name.lower(),)]

    @pytest.mark.parametrize("name", ["METRICS_ALLOW", "FORWARDED_ALLOW_IPS"])
    @pytest.mark.parametrize(
        ("written", "means"),
        [
            ("::ffff:10.0.0.5", "10.0.0.5/32"), ("::1, ::ffff:a00:0/104", "::1,10.0.0.0/8"),
            ("::ffff:0:0/95", "::ffff:0:0/95"), ("10.0.0.5", "10.0.0.5"),
        ],
    )  # fmt: skip
    def test_ipv4_network_written_as_ipv6_is_an_ipv4_network(
        self, monkeypatch: pytest.MonkeyPatch, name: str, written: str, means: str
    ) -> None:
        if written == "::ffff:0:0/95" and name == "FORWARDED_ALLOW_IPS":
            written = means = "::fffe:0:0/95"  # this list is strict
        monkeypatch.setenv(f"FLUENT_CART_{name}", written)
        assert Settings().model_dump()[name.lower()] == means

    def test_every_setting_with_bounds_is_tried(self) -> None:
        bounded = {name.upper() for name, field in Settings.model_fields.items() if field.metadata}
        assert bounded | {"FORWARDED_ALLOW_IPS", "CORS_ORIGINS"} == set(BOUNDS)

    @pytest.mark.parametrize(("name", "value"), [("LOG_LEVEL", "INFO"), ("LOG_FORMAT", "Json")])
    def test_setting_of_words_is_read_in_any_case(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(f"FLUENT_CART_{name}", value)
        assert getattr(Settings(), name.lower()) == value.lower()
