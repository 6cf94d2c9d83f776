"""PostgreSQL is stopped and started under load: nothing acknowledged is lost, and all else is 503.

Each way to stop it runs once, in about twelve seconds. With FLUENT_CART_LONG_TESTS=1 in the environment it
runs three times, and every second outage is longer. The test has its own cluster with synchronous commits,
because it must not stop a named server.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import count, repeat
from pathlib import Path

import psycopg
import pytest

from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import make_template, secret_of
from tests.support import cluster as clusters
from tests.support import postgres
from tests.support.cluster import Cluster
from tests.support.load import (
    Answer,
    Request,
    Requests,
    acknowledged,
    answers_of,
    connected,
    loading,
    statuses,
)
from tests.support.long_tests import LONG
from tests.support.server import COMMAND, Server, server

# The signals of pg_ctl to stop a server. The last one stops it without a warning.
FAST, IMMEDIATE, KILLED = signal.SIGINT, signal.SIGQUIT, signal.SIGKILL
WAYS = [FAST, IMMEDIATE, KILLED] * (3 if LONG else 1)
DOWN_SECONDS = [1, 8] if LONG else [1]
# Before the first outage and after each.
UP_SECONDS = 1.2
READERS = WRITERS = 8
# Most of a write is its commit, so that a stop meets some of them there: 10 ms, if any other is open.
SLOW = ["commit_delay=10000", "commit_siblings=1"]

REQUESTS = Requests(PREFIX, "manager", secret_of("manager"))

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        not postgres.INSTALLED, reason="OUTAGES WERE NOT TESTED: no PostgreSQL of our own to stop"
    ),
]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server with a database named ``shop``, which has the test users."""
    with clusters.running(*SLOW) as cluster:
        cluster.execute("CREATE DATABASE shop")
        make_template(cluster.url("shop"))
        yield cluster


@pytest.fixture
def environment(cluster: Cluster) -> dict[str, str]:
    return {"FLUENT_CART_DATABASE_URL": cluster.url("shop")}


@pytest.fixture
def running(environment: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """One process on the shop, which is checked when it has ended."""
    with server(tmp_path, environment=environment) as running:
        yield running
    assert "Traceback" not in (tmp_path / "server.log").read_text()
    check = [COMMAND, "check"]
    assert subprocess.run(check, cwd=tmp_path, env={**os.environ, **environment}, check=False).returncode == 0


def creations() -> Iterator[Request]:
    return (REQUESTS.create(f"{number}@outage.example") for number in count())


def stored(cluster: Cluster) -> set[str]:
    with psycopg.connect(cluster.url("shop")) as connection:
        return {email for (email,) in connection.execute("SELECT email FROM customers")}


def first_success(answers: list[Answer], since: float) -> float:
    """Return how long after ``since`` the first request succeeded."""
    return (
        min((answer.ended for answer in answers if answer.ok and answer.ended > since), default=1e9) - since
    )


async def test_outage_is_503_and_loses_nothing(
    cluster: Cluster, running: Server, record_property: Callable[[str, object], None]
) -> None:
    outages: list[tuple[signal.Signals, float, float]] = []
    async with connected(running.port, READERS + WRITERS) as clients:
        readers, writers = clients[:READERS], clients[READERS:]
        writes = creations()
        await writers[0].send(next(writes))
        async with loading(readers, repeat(REQUESTS.read("/1"))), loading(writers, writes):
            await asyncio.sleep(UP_SECONDS)
            for number, way in enumerate(WAYS):
                await asyncio.to_thread(cluster.stop, way)
                stopped = time.monotonic()
                await asyncio.sleep(DOWN_SECONDS[number % len(DOWN_SECONDS)])
                outages.append((way, stopped, await asyncio.to_thread(cluster.start)))
                await asyncio.sleep(UP_SECONDS)
        answers = answers_of(clients)

        assert set(statuses(answers)) == {200, 503}
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.header("Retry-After") for answer in refused} == {"1"}
        sent = {answer.request.writes for answer in answers} - {""}
        # A write that was rejected during its commit may be there as well.
        assert set(acknowledged(answers)) <= stored(cluster) <= sent
        for way, stopped, accepting in outages:
            for group in (readers, writers):
                of_group = answers_of(group)
                assert any(not answer.ok and stopped < answer.ended < accepting for answer in of_group), way
                assert first_success(of_group, accepting) < 1, way
        longest = max(answer.seconds for answer in answers)
        assert longest < 5
    record_property("outages", len(outages))
    record_property("acknowledged writes, all of which are there", len(acknowledged(answers)))
    record_property("answers 503", len(refused))
    record_property("longest answer, s", f"{longest:.1f}")
    late = max(first_success(answers, accepting) for *_, accepting in outages)
    record_property("first success after the database was back, at the latest, s", f"{late:.2f}")
