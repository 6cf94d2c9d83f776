"""Read a result that is larger than memory: a thread produces it in one snapshot, a coroutine consumes it.

The thread is a few pieces ahead at most. The thread and its snapshot end when the caller stops: at once if
that is known, or after no piece was read for a while. The whole stream has a time limit, too, because an old
snapshot keeps the database from removing old rows.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, suppress
from typing import Self

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fluent_cart.errors import ServiceUnavailable

# The limit of a process, because streams share its one processor with all other work.
MAX_STREAMS = 2
PREFETCH = 4
STALL_SECONDS = 30.0

Pieces = Callable[[Connection], Generator[bytes, None, None]]


def wanted_connections(workers: int, pool_size: int) -> int:
    """Return how many connections to PostgreSQL all workers together may open."""
    return workers * (pool_size + MAX_STREAMS)


class StreamInterrupted(Exception):
    """A stream ended early, because its caller was too slow or has left."""


class Stream:
    """The pieces of a result, for ``async for``. An early end raises its reason there."""

    def __init__(
        self,
        snapshot: Callable[[], AbstractContextManager[Connection]],
        pieces: Pieces,
        seconds: float,
    ) -> None:
        # The user who reads the result, if known.
        self.user_id: int | None = None
        self._snapshot, self._pieces = snapshot, pieces
        self._deadline = time.monotonic() + seconds
        self._loop = asyncio.get_running_loop()
        self._made: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self._room = threading.Semaphore(PREFETCH)
        self._is_closed = False
        self._first: bytes | None = None
        self._thread = threading.Thread(target=self._make, name="stream", daemon=True)

    async def start(self) -> None:
        """Return when the first piece is there. An earlier failure can still be sent as an error."""
        self._thread.start()
        self._first = await anext(self, b"")

    def close(self) -> None:
        """Stop the thread before its end."""
        self._is_closed = True
        self._room.release()

    @property
    def is_open(self) -> bool:
        """Whether the caller may still take pieces."""
        return not self._is_closed

    @property
    def runs(self) -> bool:
        """Whether the thread still has its snapshot."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        made = await self._made.get()
        self._room.release()
        if isinstance(made, bytes):
            return made
        # Called again, it raises the same end.
        self._made.put_nowait(None)
        if made is None:
            raise StopAsyncIteration
        raise made

    def _make(self) -> None:
        end: BaseException | None = None
        try:
            with self._snapshot() as connection, closing(self._pieces(connection)) as pieces:
                for piece in pieces:
                    self._wait_for_room()
                    self._hand_over(piece)
        except DBAPIError as error:
            end = ServiceUnavailable()
            end.__cause__ = error
        except BaseException as error:  # the reader's own error
            end = error
        self._hand_over(end)

    def _wait_for_room(self) -> None:
        timeout = min(STALL_SECONDS, self._deadline - time.monotonic())
        if timeout <= 0 or not self._room.acquire(timeout=timeout):
            raise StreamInterrupted("A client read its response too slowly")
        if self._is_closed:
            raise StreamInterrupted("The caller has left")

    def _hand_over(self, made: bytes | BaseException | None) -> None:
        # A closed loop has no waiting callers.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._made.put_nowait, made)
