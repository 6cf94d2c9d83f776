"""What every database offers: units of work, run as reads or as transactions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection

P = ParamSpec("P")
T = TypeVar("T")


class Database(ABC):
    """Runs units of work; open it with ``start`` or as an async context manager.

    A *unit of work* is a plain function whose first argument is a connection. It never commits, and may be
    run again from its start.
    """

    def __init__(self, *, write_timeout: float) -> None:
        self._write_timeout = write_timeout

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def exists(self) -> bool:
        """Tell whether there is a database to open; opening a missing SQLite file would make an empty one."""

    @abstractmethod
    def start(self) -> None:
        """Start the threads; connections open when they are first needed."""

    @abstractmethod
    def stop(self) -> None:
        """Finish what is queued, then close every connection."""

    @contextmanager
    @abstractmethod
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database and cannot change it."""

    @abstractmethod
    def occupancy(self) -> Mapping[str, int]:
        """Return how much is going on at the moment, by the names of the metrics."""

    def capacity(self) -> int | None:
        """Return how many connections the server has for all processes together; None if any number."""
        return None

    @abstractmethod
    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a look-up of a few rows by index; it asks prepared statements only."""

    @abstractmethod
    async def scan(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a read that may look at many rows, off the event loop, in one snapshot."""

    async def scan_unless(
        self, short: bool, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a read as a look-up where it is known to be ``short``, else as a scan."""
        run = self.read if short else self.scan
        return await run(work, *args, **kwargs)

    @abstractmethod
    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a transaction and return when it is on disk; 503 when its turn does not come in time."""
