"""Clients of a server with several workers, the same number for each worker.

The first worker that is awake accepts a connection. Without this module, one worker would have five times as
many as another, and the measured speeds would show only that.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path

from tests.support.load import Client, Request, connected
from tests.support.server import START_SECONDS, Server


@asynccontextmanager
async def balanced(
    running: Server, request: Request, workers: int, each: int
) -> AsyncIterator[list[list[Client]]]:
    """Yield the clients of each worker. They send ``request``, which shows their worker."""
    groups: dict[int, list[Client]] = {}
    deadline = time.monotonic() + START_SECONDS
    async with AsyncExitStack() as stack:
        while [len(group) for group in groups.values()] != [each] * workers:
            assert time.monotonic() < deadline, {worker: len(group) for worker, group in groups.items()}
            new = await stack.enter_async_context(connected(running.port, each * workers))
            # An answered connection belongs to its worker. Earlier connections must not become idle.
            everyone = [*chain.from_iterable(groups.values()), *new]
            await asyncio.gather(*(client.send(request) for client in everyone))
            worker_of = _workers_by_port(running)
            for client in new:
                group = groups.setdefault(worker_of[client.port], [])
                if len(group) < each:
                    group.append(client)
                else:
                    client.close()
        for client in chain.from_iterable(groups.values()):
            client.answers.clear()
        yield list(groups.values())


def _workers_by_port(running: Server) -> dict[int, int]:
    """Return which worker serves a connection, by the port at the connection's other end."""
    sockets = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *_, inode = line.split()[:10]
        if int(local.partition(":")[2], 16) == running.port:
            sockets[f"socket:[{inode}]"] = int(remote.partition(":")[2], 16)
    return {
        sockets[link]: worker
        for worker in running.workers()
        for descriptor in Path(f"/proc/{worker}/fd").iterdir()
        if (link := _target(descriptor)) in sockets
    }


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
