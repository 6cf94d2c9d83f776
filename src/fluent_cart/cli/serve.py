"""fluent-cart serve."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.exc import OperationalError

from fluent_cart import demo
from fluent_cart.auth.rate_limit import shared_file
from fluent_cart.cli import init, runner
from fluent_cart.cli.output import CommandError, print_error, print_line, print_warning
from fluent_cart.database import describe, is_postgresql
from fluent_cart.doctor import Severity, shop
from fluent_cart.observability import metrics
from fluent_cart.observability.logging import log_config
from fluent_cart.server.protocol import Protocol
from fluent_cart.settings import Settings, passed_sockets

# The first file descriptor after standard input, output and error.
SD_LISTEN_FDS_START = 3


def serve(
    demonstrate: Annotated[
        bool, typer.Option("--demo", help="Serve a demo shop, in a temporary file of its own.")
    ] = False,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. The default is FLUENT_CART_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on. The default is FLUENT_CART_PORT.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Number of processes. The default is FLUENT_CART_WORKERS."),
    ] = None,
) -> None:
    """Serve the API. The database must be at the newest migration.

    Example: fluent-cart serve --host 0.0.0.0 --workers 4
    """
    settings = runner.read_settings()
    # The demo's password is public, so it does not listen where a shop does.
    host = host or (settings.demo_host if demonstrate else settings.host)
    port = port or settings.port
    passed = _activated_socket()
    if passed is None:
        _require_free_port(host, port)
    else:
        host, port = _name_of(passed)
    workers = workers or settings.workers
    if not demonstrate:
        _offer_shop(settings, init.address_of(host, port))
    with (
        _demo_shop(settings) if demonstrate else nullcontext(settings) as settings,
        _shared_counters(workers),
        _both_families(host if passed is None else "", port) as own,
    ):
        if not demonstrate:
            _require_database(settings, workers)
        _announce(init.address_of(host, port), settings.database_url if demonstrate else "")
        # Worker processes get their settings from the environment only.
        os.environ["FLUENT_CART_DATABASE_URL"] = settings.database_url
        os.environ["FLUENT_CART_DATABASE_READ_URL"] = settings.database_read_url
        uvicorn.run(
            "fluent_cart.server.process:create_app",
            factory=True,
            http=Protocol,
            # WebSockets are not served, and deadlines would not apply to them.
            ws="none",
            host=host,
            port=port,
            fd=own if passed is None else passed,
            workers=workers,
            log_config=log_config(settings.log_level, settings.log_format),
            log_level=settings.log_level,
            # Links in responses begin with the address that the caller used, which only the proxy knows.
            forwarded_allow_ips=settings.forwarded_allow_ips,
            server_header=False,
            # uvicorn's own lines would have search terms, and so names and addresses of customers: see
            # request_log.
            access_log=False,
            # Longer than process.DRAIN_SECONDS: service managers wait for ten seconds at least.
            timeout_graceful_shutdown=2,
            # Seconds, also for a new worker, because five are not enough after SIGHUP on a busy machine.
            timeout_worker_healthcheck=10,
        )


@contextmanager
def _demo_shop(settings: Settings) -> Iterator[Settings]:
    """Yield the settings of a demo shop, which is deleted at the end, also after SIGTERM."""
    with runner.exit_on_sigterm(), demo.temporary_shop(settings) as own:
        yield own


@contextmanager
def _both_families(host: str, port: int) -> Iterator[int | None]:
    """Yield the file number of a socket for IPv4 and IPv6, if ``host`` is ``::``.

    uvicorn's own socket is for both with several workers, and for IPv6 only with one.
    """
    if host != "::":
        yield None
        return
    with socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        yield listening.fileno()


@contextmanager
def _shared_counters(workers: int) -> Iterator[None]:
    """Share the counts of several workers: the requests of each user, and the metrics."""
    os.environ["FLUENT_CART_RATE_LIMIT_FILE"] = ""
    if workers == 1:
        yield
        return
    with shared_file() as limits, metrics.shared_folder() as folder:
        os.environ["FLUENT_CART_RATE_LIMIT_FILE"] = limits
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            yield
        finally:
            # The folder is gone then, and a child process would look for it.
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _offer_shop(settings: Settings, address: str) -> None:
    """Create a missing shop, if a person at the terminal wants one."""
    # A PostgreSQL server may be unavailable for a while.
    if is_postgresql(settings.database_url) or not sys.stdin.isatty() or not runner.is_missing(settings):
        return
    if typer.confirm(f"There is no shop at {describe(settings.database_url)}. Create one?", default=True):
        administrator = init.ask()
        init.print_shop(settings, administrator, init.make_shop(settings, administrator), address)


def _require_database(settings: Settings, workers: int) -> None:
    """Raise ``CommandError`` if the database cannot be served. A server may be unavailable for a while."""
    try:
        runner.require_sessions(settings)
        runner.require_newest(settings)
        runner.require_capacity(settings, workers)
        users = runner.read(shop.sign_in)
    except OperationalError as error:
        if not is_postgresql(settings.database_url):
            raise
        print_error(f"Responses are 503 until the database is available: {str(error.orig).splitlines()[0]}")
    else:
        if users.state is not Severity.OK:
            print_warning(f"{users.text}. Create a user with: {users.advice}")


def _activated_socket() -> int | None:
    """Return the file number of the listening socket from systemd, if there is one.

    Systemd keeps the socket while the server restarts, so that callers wait and are not refused.
    """
    passed = passed_sockets()
    if passed not in ("", "1"):
        raise CommandError("Started with several sockets. Use one ListenStream= only")
    return SD_LISTEN_FDS_START if passed else None


def _name_of(number: int) -> tuple[str, int]:
    with socket.socket(fileno=os.dup(number)) as listening:
        host, port, *_ = listening.getsockname()
    return host, port


def _require_free_port(host: str, port: int) -> None:
    """Raise ``CommandError`` if another program listens already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Try another --host or --port"
            ) from None


def _announce(address: str, demo_url: str) -> None:
    print_line(f"Docs: {address}/docs")
    if demo_url:
        print_line(f"Form: {address}/wp-login.php, {demo.LOGIN} and {demo.LOGIN_PASSWORD}")
        print_line(f"Try:  curl -u {demo.LOGIN}:{demo.SECRET} {address}/wp-json/fluent-cart/v2/customers")
        print_line(f"Shop: {demo_url}, which is deleted when the server ends")
