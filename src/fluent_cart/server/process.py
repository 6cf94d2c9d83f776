"""What a process of `fluent-cart serve` does besides serving.

- It ends connections whose peers are too slow.
- Told to end (SIGTERM), it is no longer ready, but serves until what ran then is answered.
- As a worker, it ends when its supervisor is gone, however that happened.
- It writes a line for each request.
- Its event loop gets the interpreter back soon from the threads that write, scan and check slow hashes.
"""

import asyncio
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

SWEEP_SECONDS = 1.0
# How long requests that run may go on after SIGTERM; uvicorn then has a little more for what is left.
DRAIN_SECONDS = 6.0
# How long a thread may keep the interpreter once the event loop asks for it, as each request does several
# times. With Python's 5 ms, 99 of 100 took up to 53 ms beside guesses at slow hashes; so, 9 to 12
# (docs/guarantees.md, A9).
SWITCH_SECONDS = 0.0005
# How long a worker without a supervisor may take to end in good order.
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
    """Import the application, make it and add what a process needs."""
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
    """Hold every connection to its deadlines, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        ended = [connection.enforce_deadlines(loop.time()) for connection in tuple(connections)]
        if any(ended):
            logger.info("Ended %d connections whose peers were too slow", sum(ended))


def drain_on_sigterm(app: "FastAPI") -> None:
    """Make SIGTERM reach the server when the requests that ran then are answered."""
    loop = asyncio.get_running_loop()
    # The server's own handler, already in place.
    shut_down: Any = signal.getsignal(signal.SIGTERM)
    draining: list[asyncio.Task[None]] = []

    async def drain() -> None:
        # Every connection knows the requests of all.
        running = next((tuple(connection.tasks) for connection in connections), ())
        if running:
            await asyncio.wait(running, timeout=DRAIN_SECONDS)
        shut_down(signal.SIGTERM, None)

    def begin(*_: object) -> None:
        # Service managers signal the whole process group, and then the supervisor signals its workers.
        if not app.state.stopping:
            app.state.stopping = True
            loop.call_soon_threadsafe(lambda: draining.append(loop.create_task(drain())))

    signal.signal(signal.SIGTERM, begin)


def end_with_parent() -> None:
    """In a worker, watch the process that started it, because no other process restarts or stops it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        logger.error("The supervisor is gone: ending")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        # An acknowledged write is on disk: nothing of it is lost.
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
