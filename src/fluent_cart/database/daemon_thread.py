"""A thread for calls that block."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThread:
    """Runs functions one after the other in a thread, which starts with the first.

    An executor would do the same, but Python waits at its exit for the threads of executors, and a call here
    may wait for a lock that another process keeps.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, function: Callable[[], T]) -> T:
        """Return the result of ``function``, which runs to its end also if the caller is cancelled."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._calls.put(partial(_call, function, result, loop))
        return await result

    def stop(self, timeout: float) -> None:
        """End the thread after its queued functions, or leave it behind after ``timeout`` seconds."""
        if self._thread:
            self._calls.put(None)
            self._thread.join(timeout)
            self._thread = None

    def _serve(self) -> None:
        while call := self._calls.get():
            call()


def _call(function: Callable[[], T], result: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
    resolve: Callable[[], Any]
    try:
        resolve = partial(result.set_result, function())
    except BaseException as error:  # it is the caller's
        resolve = partial(result.set_exception, error)
    # A loop that is closed has no waiting callers.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_resolve, result, resolve)


def _resolve(result: asyncio.Future[T], resolve: Callable[[], Any]) -> None:
    if not result.cancelled():
        resolve()
