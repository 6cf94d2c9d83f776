"""PostgreSQL with a streaming replica, which answers lists, searches, orders and exports."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from fluent_cart.database.base import ReplicaState
from fluent_cart.database.log_position import Position, PrimaryLog, ReplicaUnusable
from fluent_cart.database.postgresql import BEGIN_SCAN, PostgreSQLDatabase
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.database.replica import Replica
from fluent_cart.database.replica_check import examine
from fluent_cart.observability import metrics

P = ParamSpec("P")
T = TypeVar("T")


class ReplicatedDatabase(PostgreSQLDatabase):
    """Runs reads on a replica of the server if it can, and everything else on the server."""

    def __init__(
        self,
        url: str,
        read_url: str,
        *,
        connections: int,
        write_timeout: float,
        stream_timeout: float = 900.0,
    ) -> None:
        super().__init__(
            url, connections=connections, write_timeout=write_timeout, stream_timeout=stream_timeout
        )
        self._read_url = read_url
        self._replica = Replica(
            read_url, PrimaryLog(self.read), connections=connections, timeout=write_timeout
        )

    async def finish(self) -> None:
        await self._replica.close()
        await super().finish()

    def stop(self) -> None:
        super().stop()
        self._replica.terminate()

    def gauges(self) -> Mapping[str, float]:
        found = super().gauges()
        return {
            **found,
            metrics.QUEUED_UNITS: found[metrics.QUEUED_UNITS] + self._replica.waiting,
            metrics.REPLICA_UNUSED: int(self._replica.is_unused),
            metrics.REPLICA_LAG: self._replica.lag,
        }

    def replica_state(self) -> ReplicaState:
        return examine(self._url, self._read_url)

    async def read_from_replica(
        self, work: Callable[Concatenate[LookupConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            result = await self._replica.read(lambda connection: work(connection, *args, **kwargs))
        except ReplicaUnusable:
            metrics.count_replicated_read(metrics.PRIMARY)
            return await self.read(work, *args, **kwargs)
        metrics.count_replicated_read(metrics.REPLICA)
        return result

    async def scan_from_replica(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            result = await self._replica.scan(
                lambda connection: work(connection, *args, **kwargs), (BEGIN_SCAN,)
            )
        except ReplicaUnusable:
            metrics.count_replicated_read(metrics.PRIMARY)
            return await self.scan(work, *args, **kwargs)
        metrics.count_replicated_read(metrics.REPLICA)
        return result

    async def _choose_stream_snapshot(self) -> Callable[[], AbstractContextManager[Connection]]:
        try:
            return partial(self._snapshot_of_either, await self._replica.required_position())
        except ReplicaUnusable:
            metrics.count_replicated_read(metrics.PRIMARY)
            return self._stream_snapshot

    @contextmanager
    def _snapshot_of_either(self, position: Position) -> Iterator[Connection]:
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._replica.snapshot(position))
                metrics.count_replicated_read(metrics.REPLICA)
            except ReplicaUnusable:
                connection = stack.enter_context(self._stream_snapshot())
                metrics.count_replicated_read(metrics.PRIMARY)
            yield connection
