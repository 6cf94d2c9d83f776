"""Long polling: a request waits for news without a connection to the database.

See docs/decisions.md#174-long-polling.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from fluent_cart.observability.request_context import request_context

# Between two looks. A look is a look-up by index.
INTERVAL_SECONDS = 0.5
# Of one process, and of one user in it. More requests are answered at once.
MAX_WAITING = 100
MAX_WAITING_OF_ONE = 20

# Requests that wait, by the id of their user.
_waiting: Counter[int | None] = Counter()


async def wait_until(request: Request, seconds: int, has_news: Callable[[], Awaitable[Any]]) -> None:
    """Return when there is news, when ``seconds`` are over, or when the caller has disconnected."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    user_id = request_context(request.scope).user_id
    if not seconds or _waiting.total() >= MAX_WAITING or _waiting[user_id] >= MAX_WAITING_OF_ONE:
        return
    _waiting[user_id] += 1
    try:
        while (left := end - loop.time()) > 0 and not request.app.state.stopping:
            if await has_news() or await request.is_disconnected():
                return
            await asyncio.sleep(min(left, INTERVAL_SECONDS))
    finally:
        _waiting[user_id] -= 1
        if not _waiting[user_id]:
            del _waiting[user_id]
