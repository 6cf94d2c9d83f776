"""The additions of a `fluent-cart serve` process to uvicorn.

- It closes connections whose peers are too slow, and returns the memory of connections that have ended.
- After SIGTERM it is no longer ready, but completes the requests that are running.
- As a worker, it stops when its supervisor is gone, for any reason.
- It writes a log line for each request.
- Its event loop gets the interpreter back soon from the threads that write, scan and check slow hashes.
"""

import asyncio
import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fluent_cart.observability.access_log import RequestLog
from fluent_cart.observability.logging import resolve
from fluent_cart.server.protocol import connections
from fluent_cart.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

logger = logging.getLogger("uvicorn.error")
_C_LIBRARY = ctypes.CDLL(None)

SWEEP_SECONDS = 1.0
# Seconds for running requests after SIGTERM. uvicorn then has a little longer for the rest.
DRAIN_SECONDS = 6.0
# Seconds for which a thread may keep the interpreter while the event loop waits for it. With Python's 5 ms,
# the 99th percentile was up to 53 ms during checks of slow hashes. With this value it is 9 to 12 ms
# (docs/guarantees.md, A9).
SWITCH_SECONDS = 0.0005
# Seconds that a worker without a supervisor may take to stop.
ORPHAN_SECONDS = 1.5


def create_app() -> "FastAPI":
    """Return the application as a process that serves it."""
    end_with_parent()
    sys.setswitchinterval(SWITCH_SECONDS)
    # All that is loaded stays: looking for garbage in it takes an eighth of a start, and later every full
    # collection would stop the event loop to look again.
    gc.disable()
    app = _load()
    gc.freeze()
    gc.enable()
    return app


def _load() -> "FastAPI":
    """Import and create the application, and add the parts of a process."""
    from fluent_cart import app as application

    settings = Settings()
    log = RequestLog(resolve(settings.log_format))
    app = application.create_app(settings, log.on_requests if log.is_enabled else None)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: "FastAPI") -> AsyncIterator[Any]:
        drain_on_sigterm(app)
        sweeper = asyncio.create_task(sweep_connections())
        async with inner(app) as state:
            yield state
        sweeper.cancel()

    app.router.lifespan_context = lifespan
    return app


async def sweep_connections() -> None:
    """Close connections that exceed their deadlines, and free the memory of ended ones."""
    loop = asyncio.get_running_loop()
    open_before = 0
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        if len(connections) < open_before:
            free_memory()
        open_before = len(connections)
        ended = [connection.enforce_deadlines(loop.time()) for connection in tuple(connections)]
        if any(ended):
            logger.info("Ended %d connections whose peers were too slow", sum(ended))


def free_memory() -> None:
    """Return freed memory to the system. glibc keeps it: 47 MiB after 640 connections with heads of 60 KB."""
    # Other C libraries do not have the function. It took less than 0.1 ms.
    if trim := getattr(_C_LIBRARY, "malloc_trim", None):
        trim(0)


def drain_on_sigterm(app: "FastAPI") -> None:
    """Make SIGTERM reach the server when the requests that ran then are answered."""
    loop = asyncio.get_running_loop()
    # The server's own handler, which is installed already.
    shut_down: Any = signal.getsignal(signal.SIGTERM)
    draining: list[asyncio.Task[None]] = []

    async def drain() -> None:
        # Every connection knows the requests of all connections.
        running = next((tuple(connection.tasks) for connection in connections), ())
        if running:
            await asyncio.wait(running, timeout=DRAIN_SECONDS)
        shut_down(signal.SIGTERM, None)

    def begin(*_: object) -> None:
        # Service managers signal the whole process group, and then the supervisor signals its workers again.
        if not app.state.stopping:
            app.state.stopping = True
            loop.call_soon_threadsafe(lambda: draining.append(loop.create_task(drain())))

    signal.signal(signal.SIGTERM, begin)


def end_with_parent() -> None:
    """In a worker, watch the supervisor, because nothing else restarts or stops a worker without one."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        logger.error("The supervisor is gone, so this worker stops")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        # Acknowledged writes are on disk, so none is lost.
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
