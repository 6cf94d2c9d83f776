"""The interface of every database: units of work, run as reads or as transactions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Concatenate, NamedTuple, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine

from fluent_cart.database.prepared import LookupConnection
from fluent_cart.database.scan_queue import CALLER
from fluent_cart.database.streams import MAX_STREAMS, Stream
from fluent_cart.errors import ServiceUnavailable

P = ParamSpec("P")
T = TypeVar("T")


class SessionProblem(NamedTuple):
    """A problem of the sessions of a database's server, and its remedy."""

    text: str
    advice: str


class ReplicaState(NamedTuple):
    """The state of a replica, and advice if something is wrong."""

    text: str
    advice: str = ""


class Database(ABC):
    """Runs units of work. Open it with ``start`` or as an async context manager.

    A *unit of work* is a plain function whose first argument is a connection. It never commits, and may be
    run again from its start.
    """

    def __init__(self, *, write_timeout: float, stream_timeout: float) -> None:
        self._write_timeout = write_timeout
        self._stream_timeout = stream_timeout
        self._streams: list[Stream] = []

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.finish()
        self.stop()

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there is a database. To open a missing SQLite file would create an empty one."""

    @abstractmethod
    def start(self) -> None:
        """Start the threads. Connections open when they are first needed."""

    async def finish(self) -> None:
        """Finish the work that is queued on the event loop, if any. Call ``stop`` afterwards."""
        return

    @abstractmethod
    def stop(self) -> None:
        """Finish the queued work, then close every connection."""

    @contextmanager
    @abstractmethod
    def snapshot(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the database and cannot change it."""

    @abstractmethod
    def remove_remains(self) -> None:
        """Remove the remains of deleted rows from indexes and files, while the shop is served."""

    @abstractmethod
    def gauges(self) -> Mapping[str, float]:
        """Return how much is going on at the moment, by the names of the metrics."""

    def max_connections(self) -> int | None:
        """Return the server's number of connections for all processes, or None without a limit."""
        return None

    def session_problem(self) -> SessionProblem | None:
        """Return the problem of the server's sessions, or None if there is none."""
        return None

    def require_session_check(self) -> None:
        """Have the sessions of the server checked before the next one opens."""
        return

    def replica_state(self) -> ReplicaState | None:
        """Return the state of the replica, or None without a replica."""
        return None

    @abstractmethod
    async def read(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a look-up of a few rows by index, which uses prepared statements only."""

    @abstractmethod
    async def scan(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a read that may look at many rows, off the event loop, in one snapshot."""

    async def read_from_replica(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a look-up as ``read``, on a replica if it has all that was acknowledged before."""
        return await self.read(work, *args, **kwargs)

    async def scan_from_replica(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a read as ``scan``, on a replica if it has all that was acknowledged before."""
        return await self.scan(work, *args, **kwargs)

    async def stream(
        self,
        work: Callable[Concatenate[Connection, P], Generator[bytes, None, None]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Stream:
        """Run a read that yields its result in pieces, in a thread and a snapshot of its own.

        It runs on a replica if one has all that was acknowledged before. The caller closes the stream.
        Raise 503 if too many streams run, or if there is no first piece.
        """
        snapshot = await self._choose_stream_snapshot()
        self._streams = [stream for stream in self._streams if stream.runs]
        caller = CALLER.get()
        own = sum(
            caller is not None and stream.user_id == caller.user_id and stream.is_open
            for stream in self._streams
        )
        # The last place is for another user.
        if len(self._streams) >= MAX_STREAMS or own >= max(MAX_STREAMS - 1, 1):
            raise ServiceUnavailable(retry_after=10)
        stream = Stream(snapshot, lambda connection: work(connection, *args, **kwargs), self._stream_timeout)
        stream.user_id = caller.user_id if caller else None
        self._streams.append(stream)
        try:
            await stream.start()
        except BaseException:
            stream.close()
            raise
        return stream

    async def _choose_stream_snapshot(self) -> Callable[[], AbstractContextManager[Connection]]:
        """Return the function that opens the connection of a stream."""
        return self._stream_snapshot

    @contextmanager
    def _stream_snapshot(self) -> Iterator[Connection]:
        """Yield a connection of its own, because a pool would keep it open."""
        engine = self._stream_engine()
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    @abstractmethod
    def _stream_engine(self) -> Engine:
        """Return an engine for streams: one snapshot per transaction, which may be slow but not idle."""

    def _stop_streams(self) -> None:
        for stream in self._streams:
            stream.close()
        for stream in self._streams:
            stream.join()
        self._streams.clear()

    @abstractmethod
    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a transaction and return when it is on disk. Raise 503 if its turn does not come in time."""

    @abstractmethod
    async def write_many(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a transaction of many rows, off the event loop."""
