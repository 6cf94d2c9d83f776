"""The settings of the server, which are read once from the environment and passed as an argument."""

import os
import re
from difflib import get_close_matches
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any, Literal, get_args

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX, FILE = "FLUENT_CART_", ".env"
# Variables that only the tests read.
TESTS = "FLUENT_CART_TEST_"

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


# Bits of an IPv6 address before the IPv4 address that it may stand for.
_MAPPED_BITS = 96


def _plain_networks(value: str, *, strict: bool) -> str:
    """Return addresses and networks, those of IPv4 in their usual form, which clients have, too.

    ``ValueError`` for anything else.
    """

    def plain(part: str) -> str:
        network = ip_network(part.strip(), strict=strict)
        mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
        if mapped is None or network.prefixlen < _MAPPED_BITS:
            return part
        return f"{mapped}/{network.prefixlen - _MAPPED_BITS}"

    return ",".join(plain(part) if part.strip() else part for part in value.split(","))


LogLevel = Annotated[Literal["critical", "error", "warning", "info", "debug"], BeforeValidator(_lower)]
LogFormat = Annotated[Literal["auto", "json", "console"], BeforeValidator(_lower)]


class Settings(BaseSettings):
    """Settings come from variables that begin with ``FLUENT_CART_``, or from a ``.env`` file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=FILE, extra="ignore")

    database_url: str = Field(
        "sqlite:///fluent-cart.db",
        description="Where the shop is kept: `sqlite:///PATH` or `postgresql://...`.",
    )
    database_read_url: str = Field(
        "",
        description="A streaming replica of the PostgreSQL server, which answers lists, searches, orders and"
        " exports. Empty: no replica.",
    )
    host: str = Field("127.0.0.1", description="The address `serve` listens on.")
    demo_host: str = Field(
        "127.0.0.1", description="The address `serve --demo` listens on. The demo's password is public."
    )
    port: int = Field(8000, ge=1, le=65535, description="The port `serve` listens on.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1,::1",
        description="Proxies whose `X-Forwarded-Proto` and `-For` are believed: addresses, networks, or `*`.",
    )
    cors_origins: str = Field(
        "",
        description=(
            "Sites whose scripts may use the API: origins, with commas between them. No site if it is empty."
        ),
    )
    workers: int = Field(1, ge=1, le=64, description="How many processes `serve` starts.")
    log_level: LogLevel = Field(
        "info",
        description="How much the server logs: `critical`, `error`, `warning`, `info` or `debug`.",
    )
    log_format: LogFormat = Field(
        "auto",
        description=(
            "Format of the log: `json`, `console` for people, or `auto`, which is `console` on a terminal."
        ),
    )
    metrics_allow: str = Field(
        "127.0.0.1,::1",
        description=(
            "Who may read `/metrics` without signing in: addresses and networks of direct connections."
        ),
    )
    telemetry: bool = Field(
        False, description="Whether FastAPI uses OpenTelemetry's own settings, `OTEL_...`."
    )
    backup_folder: str = Field(
        "backups",
        description="Folder whose newest `*.backup` counts as the last backup in `doctor` and `/metrics`.",
    )
    write_timeout: float = Field(
        4.0, gt=0, le=60, description="Seconds that a write may wait for its turn before the response is 503."
    )
    export_timeout: float = Field(
        900.0, gt=0, le=86400, description="Seconds an export may take. A slower client is cut off."
    )
    changes_days: int = Field(
        30, ge=1, le=3650, description="Days that changes of customers are kept for clients that sync."
    )
    pool_size: int = Field(
        8,
        ge=3,
        le=100,
        description="Connections to PostgreSQL per process: half for writes and scans, one for bulk actions.",
    )
    read_threads: int = Field(
        2, ge=1, le=32, description="Threads per process for reads that may take longer than a look-up."
    )
    rate_limit: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Requests per second of each user, in bursts of ten times as many. 0 means no limit.",
    )
    rate_limit_file: str = Field(
        "",
        description=(
            "Folder in which the processes of this machine count requests together. `serve` creates one."
        ),
    )
    failed_login_limit: int = Field(
        10,
        ge=0,
        le=1000,
        description="Wrong passwords for one name, or from one address, in five minutes. 0 means no limit.",
    )

    @field_validator("cors_origins")
    @classmethod
    def _must_be_origins(cls, value: str) -> str:
        for part in value.split(",") if value else ():
            # Browsers send origins in this form. An origin with a path or a final slash would never match.
            if value != value.strip() or not _ORIGIN.fullmatch(part.strip(" ")):
                raise ValueError(
                    f"{part!r} is not an origin. Write origins as https://admin.example, in lower case,"
                    " without a path or a slash at the end, and with commas between them"
                )
        return value

    @field_validator("metrics_allow")
    @classmethod
    def _must_be_networks(cls, value: str) -> str:
        return _plain_networks(value, strict=False)

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _must_be_proxies(cls, value: str) -> str:
        # Strict, because uvicorn reads 10.0.0.1/8 as a name, and then believes no proxy in it.
        return value if value.strip() == "*" else _plain_networks(value, strict=True)


def explain(error: ValidationError) -> str:
    """Return a sentence about the first wrong setting: its name and its possible values."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "value_error":
        return f"{PREFIX}{name.upper()}: {first['ctx']['error']}"
    empty = " is empty. It" if first["input"] == "" else ""
    return f"{PREFIX}{name.upper()}{empty} must be {_values_of(name)}"


def _values_of(name: str) -> str:
    field = Settings.model_fields[name]
    if words := get_args(field.annotation):
        return f"{', '.join(words[:-1])} or {words[-1]}"
    if field.annotation is bool:
        return "true or false"
    low, high = (
        getattr(bound, kind)
        for bound in field.metadata
        for kind in ("ge", "gt", "le")
        if hasattr(bound, kind)
    )
    if field.annotation is int:
        return f"a whole number from {low} to {high}"
    return f"a number above {low:g}, and at most {high:g}"


def unknown_settings() -> dict[str, str]:
    """Return the names of variables and of lines of ``.env`` that begin like settings but are unknown.

    Each name comes with the most similar name of a setting, or "".
    """
    known = [name.upper() for name in Settings.model_fields]
    given = {name.upper() for name in (*os.environ, *dotenv_values(FILE))}
    names = {
        name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX) and not name.startswith(TESTS)
    }
    nearest = {name: get_close_matches(name, known, 1) for name in sorted(names - {*known})}
    return {f"{PREFIX}{name}": f"{PREFIX}{found[0]}" if found else "" for name, found in nearest.items()}


class _SocketActivation(BaseSettings):
    """The variables in which systemd describes the sockets that it passes: sd_listen_fds(3)."""

    listen_pid: str = ""
    listen_fds: str = ""


class _MySQL(BaseSettings):
    """The variable that MySQL's own programs read."""

    mysql_pwd: str | None = None


def mysql_password() -> str | None:
    """Return the password for a MySQL server from ``MYSQL_PWD``, or None if it is not set."""
    return _MySQL().mysql_pwd


def passed_sockets() -> str:
    """Return the number of listening sockets that systemd passed to this process, or "" if there is none."""
    passed = _SocketActivation()
    return passed.listen_fds if passed.listen_pid == str(os.getpid()) else ""
