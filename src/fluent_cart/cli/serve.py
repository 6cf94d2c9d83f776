"""fluent-cart serve."""

import os
import socket
from typing import Annotated

import typer
import uvicorn

from fluent_cart import demo
from fluent_cart.cli import session
from fluent_cart.cli.output import CommandError, say


def serve(
    demonstrate: Annotated[
        bool, typer.Option("--demo", help="Serve the demo shop, made anew, in a file of its own.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="Listen here; FLUENT_CART_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Listen here; FLUENT_CART_PORT.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of processes; FLUENT_CART_WORKERS.")
    ] = None,
) -> None:
    """Serve the API. The database must be at the newest migration."""
    settings = session.read_settings()
    # The demo's password is public, so it listens on the network only when told so on this command line.
    host = host or (settings.host if not demonstrate else "127.0.0.1")
    port = port or settings.port
    _require_free_port(host, port)
    if demonstrate:
        settings = settings.model_copy(update={"database_url": demo.DATABASE_URL})
        demo.create(settings)
    workers = workers or settings.workers
    session.require_newest(settings)
    session.require_capacity(settings, workers)
    _announce(f"http://{f'[{host}]' if ':' in host else host}:{port}", demonstrate)
    # Worker processes begin with nothing but the environment.
    os.environ["FLUENT_CART_DATABASE_URL"] = settings.database_url
    uvicorn.run(
        "fluent_cart.app:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level=settings.log_level,
        # Links in answers begin as the caller's address did, which only the proxy knows.
        forwarded_allow_ips=settings.forwarded_allow_ips,
        server_header=False,
        # Lines of the access log would hold search terms, and so names and addresses of customers.
        access_log=False,
    )


def _require_free_port(host: str, port: int) -> None:
    """Raise ``CommandError`` if something listens already: first of all, leave its demo file alone."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Try another --host or --port"
            ) from None


def _announce(address: str, demonstrate: bool) -> None:
    say(f"Docs: {address}/docs")
    if demonstrate:
        say(f"Try:  curl -u {demo.LOGIN}:{demo.SECRET} {address}/wp-json/fluent-cart/v2/customers")
