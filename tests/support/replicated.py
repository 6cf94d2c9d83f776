"""A PostgreSQL of the tests' own with a streaming replica, and a shop on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.conftest import make_template
from tests.support import cluster as clusters
from tests.support.cluster import Cluster

# The replica applies each commit a moment late, as one in another building does, so that a read that does not
# wait finds the past.
DELAY = "recovery_min_apply_delay=10ms"


class Pair(NamedTuple):
    """A primary with a shop, and its replica."""

    primary: Cluster
    replica: Cluster

    @property
    def url(self) -> str:
        return self.primary.url("shop")

    @property
    def read_url(self) -> str:
        return self.replica.url("shop")

    @contextmanager
    def paused_replay(self) -> Iterator[None]:
        self.replica.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            self.replica.execute("SELECT pg_wal_replay_resume()")


@contextmanager
def running_pair() -> Iterator[Pair]:
    """Start both servers. The shop has the test users."""
    with clusters.running() as primary:
        primary.execute("CREATE DATABASE shop")
        make_template(primary.url("shop"))
        with clusters.standby(primary, DELAY) as replica:
            yield Pair(primary, replica)
