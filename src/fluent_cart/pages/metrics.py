"""Serve /metrics to Prometheus, never to the public.

See docs/decisions.md#91-metrics.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from platform import python_version
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from fluent_cart.auth.dependencies import Credentials, basic_credentials, current_user
from fluent_cart.auth.policies import can_operate
from fluent_cart.database.last_backup import last_backup
from fluent_cart.errors import ApiError
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.observability import metrics
from fluent_cart.observability.request_context import client_address
from fluent_cart.services.database_size import database_bytes
from fluent_cart.wordpress.site import origin as site_origin

Networks = Iterable[IPv4Network | IPv6Network]

# Proxies add these, or headers that begin so. The address of such a request is that of the proxy.
FORWARDED = frozenset({"forwarded", "via", "x-real-ip"})
FORWARDED_PREFIX = "x-forwarded-"
# Seconds that a log line waits for others, and that a figure waits for readers of another process.
FLUSH_SECONDS = 0.1

router = APIRouter(include_in_schema=False)


async def may_scrape(
    request: Request,
    credentials: Annotated[Credentials | None, Depends(basic_credentials)],
    database: DatabaseDep,
) -> None:
    """Allow direct requests from a configured address, and users who may operate the server."""
    if not _is_allowed(request):
        can_operate.check(await current_user(request, credentials, database))


@router.get("/metrics", dependencies=[Depends(may_scrape)])
async def metrics_page(request: Request) -> Response:
    """Return the figures of every process of this machine."""
    flush(request.app)
    await _measure(request.app)
    # In a thread, because the metrics of other processes are read from files.
    return Response(await asyncio.to_thread(metrics.page), media_type=metrics.CONTENT_TYPE)


async def _measure(app: FastAPI) -> None:
    """Measure the values that do not change with each request: the database's size, and the last backup."""
    newest = await asyncio.to_thread(last_backup, app.state.backup_folder)
    metrics.LAST_BACKUP.set(newest or 0)
    # An unavailable database has no size. The other figures show that it is unavailable.
    with suppress(ApiError):
        metrics.DATABASE_BYTES.set(await app.state.database.scan(database_bytes))


def _is_allowed(request: Request) -> bool:
    if any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in request.headers):
        return False
    try:
        address = ip_address(client_address(request.scope))
    except ValueError:  # not the address of a network socket
        return False
    if address.is_loopback and not _is_for_this_machine(request):
        return False
    return any(address in network for network in _networks(request.app.state.metrics_allow))


def _is_for_this_machine(request: Request) -> bool:
    """Return whether the host of a request is an address or ``localhost``.

    A browser on this machine sends the name of a site whose owner points it at 127.0.0.1 (DNS rebinding), and
    lets the site's scripts read the response.
    """
    with suppress(ValueError):
        host = urlsplit(site_origin(request)).hostname or ""
        return host == "localhost" or bool(ip_address(host))
    return False


@cache
def _networks(allowed: str) -> Networks:
    return tuple(ip_network(part.strip(), strict=False) for part in allowed.split(",") if part.strip())


@asynccontextmanager
async def flushing(app: FastAPI) -> AsyncIterator[None]:
    """Flush the work of this process to the metrics and to the log, a few times each second."""

    async def flush_forever() -> None:
        while True:
            flush(app)
            await asyncio.sleep(FLUSH_SECONDS)

    task = asyncio.create_task(flush_forever())
    yield
    task.cancel()
    flush(app)


def flush(app: FastAPI) -> None:
    """Flush the finished requests, and the present values of the gauges."""
    app.state.report.flush()
    metrics.BUILD.labels(app.version, python_version()).set(1)
    now: Mapping[str, float] = {
        **app.state.database.gauges(),
        metrics.SLOW_HASHES: app.state.limits.hash_queue.pending,
        metrics.IN_PROGRESS: app.state.report.in_progress,
        metrics.WORKERS: 1,
    }
    for name, value in now.items():
        metrics.GAUGES[name].set(value)
