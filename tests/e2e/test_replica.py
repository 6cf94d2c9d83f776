"""Two machines with two workers each serve a shop with a streaming replica.

Each user reads its own writes, on every machine. A replica that is behind, stopped or lost costs no
request.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count, cycle
from pathlib import Path

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import secret_of
from tests.support import postgres
from tests.support.load import Client, Requests, answers_of, connected, loading, statuses
from tests.support.replicated import Pair, running_pair
from tests.support.server import COMMAND, Server, server, until

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(
        not postgres.INSTALLED, reason="REPLICAS WERE NOT TESTED: no PostgreSQL of our own to copy"
    ),
]

REQUESTS = Requests(PREFIX, "manager", secret_of("manager"))
WRITES, USERS, WORKERS = 2000, 8, 2


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def environment(pair: Pair) -> dict[str, str]:
    return {"FLUENT_CART_DATABASE_URL": pair.url, "FLUENT_CART_DATABASE_READ_URL": pair.read_url}


@pytest.fixture(scope="module")
def machines(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """Two servers that share nothing but the database, both of which use the replica."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "other")]
    options = ("--workers", str(WORKERS))
    with (
        server(folders[0], *options, environment=environment) as one,
        server(folders[1], *options, environment=environment) as other,
    ):
        for each in (one, other):
            until_used(each)
        yield one, other
    for folder in folders:
        assert "Traceback" not in (folder / "server.log").read_text()


def figure(running: Server, name: str, **labels: str) -> float:
    page = httpx.get(f"{running.address}/metrics").text
    [value] = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == f"fluent_cart_{name}" and sample.labels.items() >= labels.items()
    ] or [0.0]
    return value


def until_used(running: Server) -> None:
    """Wait until each worker reads from the replica."""
    with httpx.Client(auth=httpx.BasicAuth("manager", secret_of("manager"))) as client:

        def answers_from_replica() -> bool:
            before = figure(running, "replica_reads_total", server="primary")
            for _ in range(4 * WORKERS):
                # Over a connection of its own, which any worker may accept.
                client.get(f"{running.address}{PREFIX}", headers={"Connection": "close"})
            return figure(running, "replica_reads_total", server="primary") == before

        until(answers_from_replica, "The replica is not in use")


def doctor(environment: dict[str, str]) -> dict[str, str]:
    """Return the finding about the replica."""
    completed = subprocess.run(
        [COMMAND, "doctor", "--json"], env={**os.environ, **environment}, capture_output=True, check=False
    )
    [finding] = [each for each in json.loads(completed.stdout) if each["check"] == "replica"]
    return {name: str(value) for name, value in finding.items()}


def test_compared_servers_share_no_counter_and_both_have_the_replica(
    machines: tuple[Server, Server], environment: dict[str, str]
) -> None:
    assert len({worker for each in machines for worker in each.workers()}) == 2 * WORKERS
    finding = doctor(environment)
    assert (finding["state"], finding["text"]) == (
        "warning",
        "The replica may cancel long exports: hot_standby_feedback is off",
    )


async def test_each_user_reads_its_own_writes_on_every_machine(
    machines: tuple[Server, Server], record_property: Callable[[str, object], None]
) -> None:
    one, other = machines
    before = [figure(each, "replica_reads_total", server="replica") for each in machines]
    async with connected(one.port, USERS) as writers, connected(other.port, USERS) as readers:
        past = await asyncio.gather(
            *(
                count_past(writer, reader, f"user{number}.example")
                for number, (writer, reader) in enumerate(zip(writers, readers, strict=True))
            )
        )
        answers = answers_of([*writers, *readers])
        waits = sorted(answer.seconds for answer in answers_of(readers))
    assert len(answers) == 2 * WRITES
    assert set(statuses(answers)) == {200}
    assert sum(past) == 0
    after = [figure(each, "replica_reads_total", server="replica") for each in machines]
    from_replica = sum(after) - sum(before)
    # The test would not use the replica otherwise.
    assert from_replica > WRITES / 2
    record_property("writes, each read at once on the other machine", WRITES)
    record_property("reads that saw the past", sum(past))
    record_property("reads that the replica answered", int(from_replica))
    record_property("median wait for a read, ms", f"{waits[len(waits) // 2] * 1000:.1f}")


async def count_past(writer: Client, reader: Client, domain: str) -> int:
    """Write and read in turn. Return how many reads did not show the write before them."""
    past = 0
    for number in range(WRITES // USERS):
        email = f"{number}@{domain}"
        written = await writer.send(REQUESTS.create(email))
        customer_id = orjson.loads(written.body)["data"]["customer"]["id"]
        # The newest customers, a search and a filter: a look-up, and two scans.
        query = (f"?per_page={5 * USERS}", f"?search={email}", f"?filters[email]={email}")[number % 3]
        read = await reader.send(REQUESTS.read(query))
        listed = orjson.loads(read.body)["data"]["customers"]
        past += customer_id not in {customer["id"] for customer in listed}
    return past


@asynccontextmanager
async def under_load(running: Server, domain: str) -> AsyncIterator[list[Client]]:
    """Read and write all the time."""
    creations = (REQUESTS.create(f"{number}@{domain}") for number in count())
    paths = ("", "?search=load", "?order_by=total_spent", "/1/orders", "/1")
    reads = cycle([REQUESTS.read(path) for path in paths])
    async with connected(running.port, 10) as clients:
        await clients[0].send(next(creations))
        async with loading(clients[:2], creations), loading(clients[2:], reads):
            await asyncio.sleep(1)
            yield clients
            await asyncio.sleep(1)


async def test_paused_replay_costs_no_request_and_is_reported(
    machines: tuple[Server, Server], pair: Pair, environment: dict[str, str]
) -> None:
    one, _ = machines
    async with under_load(one, "paused.example") as clients:
        with pair.paused_replay():
            await asyncio.to_thread(until, lambda: figure(one, "replica_unused") == WORKERS, "not reported")
            await asyncio.sleep(1)
            assert figure(one, "replica_lag_seconds") > 1
            finding = await asyncio.to_thread(doctor, environment)
        await asyncio.to_thread(until, lambda: figure(one, "replica_unused") == 0, "not used again")
    assert set(statuses(answers_of(clients))) == {200}
    assert finding["state"] == "warning"
    assert finding["text"] == "The replica is behind: its replay is paused"
    assert "pg_wal_replay_resume" in finding["advice"]


async def test_stopped_replica_costs_no_request_and_is_reported(
    machines: tuple[Server, Server], pair: Pair, environment: dict[str, str]
) -> None:
    one, _ = machines
    async with under_load(one, "stopped.example") as clients:
        for way in (signal.SIGINT, signal.SIGKILL):
            await asyncio.to_thread(pair.replica.stop, way)
            await asyncio.to_thread(until, lambda: figure(one, "replica_unused") == WORKERS, "not reported")
            finding = await asyncio.to_thread(doctor, environment)
            await asyncio.to_thread(pair.replica.start)
            await asyncio.to_thread(until, lambda: figure(one, "replica_unused") == 0, "not used again")
    assert set(statuses(answers_of(clients))) == {200}
    assert finding["state"] == "warning"
    assert finding["text"].startswith("The replica does not answer: ")
    assert "the primary answers its reads" in finding["advice"]


async def test_frozen_replica_costs_no_request(machines: tuple[Server, Server], pair: Pair) -> None:
    one, _ = machines
    async with under_load(one, "frozen.example") as clients:
        pair.replica.freeze()
        try:
            await asyncio.to_thread(until, lambda: figure(one, "replica_unused") == WORKERS, "not reported")
        finally:
            pair.replica.thaw()
    assert set(statuses(answers_of(clients))) == {200}


def test_replica_that_is_away_at_the_start_is_no_reason_not_to_serve(
    environment: dict[str, str], tmp_path: Path
) -> None:
    away = environment | {"FLUENT_CART_DATABASE_READ_URL": "postgresql://shop@127.0.0.1:1/shop"}
    with server(tmp_path, environment=away) as running:
        auth = httpx.BasicAuth("manager", secret_of("manager"))
        for _ in range(5):
            assert httpx.get(f"{running.address}{PREFIX}?search=a", auth=auth).status_code == 200
        until(lambda: figure(running, "replica_unused") == 1, "not reported")
    log = (tmp_path / "server.log").read_text()
    assert "The primary answers the reads of the replica" in log
