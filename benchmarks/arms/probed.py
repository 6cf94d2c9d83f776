"""This server with a probe: how long its event loop was held by one callback.

It runs on asyncio's own loop, whose callbacks can be timed. They do the same as on uvloop. The time
is that of the thread, so that a busy machine does not count as a slow handler.
"""

import asyncio
import time
from typing import Any

import orjson

from fluent_cart.app import create_app as create_server

_held: list[float] = []
_run: Any = asyncio.Handle._run


def _timed(handle: Any) -> None:
    began = time.thread_time()
    _run(handle)
    _held.append(time.thread_time() - began)


setattr(asyncio.Handle, "_run", _timed)  # noqa: B010  # mypy knows that methods are not for changing


def create_app() -> Any:
    """Return the server with a path that returns the longest times, and resets them on DELETE."""
    server = create_server()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/held":
            await server(scope, receive, send)
            return
        ordered = sorted(_held) or [0.0]
        body = orjson.dumps(
            {"longest": ordered[-1] * 1000, "p999": ordered[int(len(ordered) * 0.999) - 1] * 1000}
        )
        if scope["method"] == "DELETE":
            _held.clear()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
