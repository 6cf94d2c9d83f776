"""Every setting of the server, read once from the environment and passed in from there."""

import os
from ipaddress import ip_network

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_ORIGIN = r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"


class Settings(BaseSettings):
    """Settings come from variables that begin with ``FLUENT_CART_``, or from a ``.env`` file."""

    model_config = SettingsConfigDict(env_prefix="FLUENT_CART_", env_file=".env", extra="ignore")

    database_url: str = Field(
        "sqlite:///fluent-cart.db",
        description="Where the shop is kept: `sqlite:///PATH` or `postgresql://...`.",
    )
    host: str = Field("127.0.0.1", description="The address `serve` listens on.")
    port: int = Field(8000, ge=1, le=65535, description="The port `serve` listens on.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1,::1",
        description="Proxies whose `X-Forwarded-Proto` and `-For` are believed: addresses, networks, or `*`.",
    )
    cors_origins: str = Field(
        "",
        # As browsers write them; one with a path or a slash at its end would never match.
        pattern=rf"^(?:{_ORIGIN}(?: *, *{_ORIGIN})*)?$",
        description="Sites whose scripts may use the API: origins, with commas between; none if empty.",
    )
    workers: int = Field(1, ge=1, le=64, description="How many processes `serve` starts.")
    log_level: str = Field(
        "info",
        pattern="^(critical|error|warning|info|debug)$",
        description="How much the server logs: `critical`, `error`, `warning`, `info` or `debug`.",
    )
    log_format: str = Field(
        "auto",
        pattern="^(auto|json|console)$",
        description="How: lines of `json`, or for people at a `console`; `auto` looks where they go.",
    )
    metrics_allow: str = Field(
        "127.0.0.1,::1",
        description="Who may read `/metrics` without signing in: addresses and networks that ask directly.",
    )
    telemetry: bool = Field(
        False, description="Whether FastAPI heeds OpenTelemetry's own settings, `OTEL_...`."
    )
    write_timeout: float = Field(
        4.0, gt=0, le=60, description="Seconds a write may wait for its turn before it is answered 503."
    )
    export_timeout: float = Field(
        900.0, gt=0, le=86400, description="Seconds an export may take; a slower client is cut off."
    )
    pool_size: int = Field(
        8,
        ge=2,
        le=100,
        description="Connections to PostgreSQL per process, half of them for look-ups.",
    )
    read_threads: int = Field(
        2, ge=1, le=32, description="Threads per process for reads that may take longer than a look-up."
    )
    rate_limit: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Requests a second that each user may make for long, ten times as many at once; 0 is any"
        " number.",
    )
    rate_limit_file: str = Field(
        "", description="Where the processes of this machine count requests together; `serve` makes one."
    )
    failed_login_limit: int = Field(
        10,
        ge=0,
        le=1000,
        description="Wrong passwords for one name, or from one address, in five minutes; 0 is any number.",
    )

    @field_validator("metrics_allow")
    @classmethod
    def _must_be_networks(cls, value: str) -> str:
        for part in value.split(","):
            if part.strip():
                ip_network(part.strip(), strict=False)
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _must_be_proxies(cls, value: str) -> str:
        for part in value.split(",") if value.strip() != "*" else ():
            if part.strip():
                # Strict, because uvicorn reads 10.0.0.1/8 as a name, and then believes no proxy in it.
                ip_network(part.strip())
        return value


class _Passed(BaseSettings):
    """What systemd says of the sockets that it passes, in variables of its own: sd_listen_fds(3)."""

    listen_pid: str = ""
    listen_fds: str = ""


class _MySQL(BaseSettings):
    """What MySQL's own programs read."""

    mysql_pwd: str | None = None


def mysql_password() -> str | None:
    """Return the password for a MySQL server from ``MYSQL_PWD``; None if it is not set."""
    return _MySQL().mysql_pwd


def passed_sockets() -> str:
    """Return how many listening sockets this process was started with; "" if with none."""
    passed = _Passed()
    return passed.listen_fds if passed.listen_pid == str(os.getpid()) else ""
