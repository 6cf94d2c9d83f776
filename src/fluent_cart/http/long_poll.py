"""Long polling: a request waits for news without a connection to the database (decision 174)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

# Between two looks. A look is a look-up by index.
INTERVAL_SECONDS = 0.5
# Of one process. More requests are answered at once.
MAX_WAITING = 100

_waiting: set[object] = set()


async def wait_until(request: Request, seconds: int, has_news: Callable[[], Awaitable[Any]]) -> None:
    """Return when there is news, when ``seconds`` are over, or when nobody waits for the answer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    if len(_waiting) >= MAX_WAITING or not seconds:
        return
    ticket = object()
    _waiting.add(ticket)
    try:
        while (left := end - loop.time()) > 0 and not request.app.state.stopping:
            if await has_news() or await request.is_disconnected():
                return
            await asyncio.sleep(min(left, INTERVAL_SECONDS))
    finally:
        _waiting.discard(ticket)
