"""Several workers on one SQLite file: no process waits much longer than others, no write is lost.

The load lasts three seconds, or twelve with FLUENT_CART_LONG_TESTS=1 in the environment.
"""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, count, cycle
from pathlib import Path

import httpx
import pytest

from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import secret_of
from tests.support.load import (
    Answer,
    Request,
    Requests,
    acknowledged,
    answers_of,
    loading,
    percentile,
    statuses,
)
from tests.support.long_tests import many
from tests.support.server import COMMAND, Server, server
from tests.support.worker_clients import balanced

SECONDS = many(3, 12)
WORKERS = 4
CLIENTS = 64

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which process has a connection"),
]

Record = Callable[[str, object], None]

REQUESTS = Requests(PREFIX, "manager", secret_of("manager"))


@pytest.fixture(scope="module")
def path(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("workers")))


@pytest.fixture(scope="module")
def workers(path: Path) -> Iterator[Server]:
    """Four workers on one shop for all tests. The shop is checked when they have ended."""
    environment = {"FLUENT_CART_DATABASE_URL": f"sqlite:///{path}"}
    with server(path.parent, "--workers", str(WORKERS), environment=environment) as running:
        yield running
    assert "Traceback" not in (path.parent / "server.log").read_text()
    assert subprocess.run([COMMAND, "check"], env={**os.environ, **environment}, check=False).returncode == 0


def creations(domain: str) -> Iterator[Request]:
    return (REQUESTS.create(f"{number}@{domain}") for number in count())


def stored(path: Path, domain: str) -> list[str]:
    """Return which customers another program finds in the file."""
    find = "SELECT email FROM customers WHERE email LIKE ?"
    with closing(sqlite3.connect(path)) as shop:
        return [email for (email,) in shop.execute(find, [f"%@{domain}"])]


async def test_writers_are_served_in_turn(workers: Server, path: Path, record_property: Record) -> None:
    async with balanced(workers, REQUESTS.read("/1"), WORKERS, CLIENTS // WORKERS) as groups:
        clients = [*chain.from_iterable(groups)]
        async with loading(clients, creations("turns.example")):
            await asyncio.sleep(SECONDS)
    answers = answers_of(clients)
    assert set(statuses(answers)) == {200}
    # Not one lost, not one made twice.
    assert sorted(acknowledged(answers)) == sorted(stored(path, "turns.example"))

    assert min(len(client.answers) for client in clients) >= 3
    served = sorted(len(answers_of(group)) for group in groups)
    assert served[0] * 2 >= served[-1], f"answers of each worker: {served}"
    worst, median = percentile(answers, 1), percentile(answers, 0.5)
    assert worst <= 25 * median, f"the longest wait was {worst:.3f} s, the median {median:.3f} s"
    record_property("writes, all 200", len(answers))
    record_property("longest wait in medians, at most 25", f"{worst / median:.1f}")
    record_property("answers of the slowest worker to those of the fastest", f"{served[0] / served[-1]:.2f}")


async def test_readers_hardly_wait_for_writers(workers: Server, record_property: Record) -> None:
    idle, busy = await reads_alone_and_beside(workers, SECONDS)
    # Other work of the machine may have delayed one of the two measurements, so a run of twice the length
    # decides.
    if busy > max(3 * idle, 0.05):
        idle, busy = await reads_alone_and_beside(workers, SECONDS * 2)
    assert busy <= max(3 * idle, 0.05), f"99 of 100 reads: {idle:.3f} s alone, {busy:.3f} s beside writers"
    record_property("99 of 100 reads, alone, ms", f"{idle * 1000:.1f}")
    record_property("99 of 100 reads, beside writers, ms", f"{busy * 1000:.1f}")


async def reads_alone_and_beside(workers: Server, seconds: int) -> tuple[float, float]:
    """Return the longest of 99 of 100 reads, alone and with as many writers.

    Both are measured in short turns, so that other work of the machine delays both.
    """
    turns, writes = seconds * 2, creations(f"beside-{seconds}.example")
    reads = cycle([REQUESTS.read("/1"), REQUESTS.read("?search=beside&per_page=5")])
    async with balanced(workers, REQUESTS.read("/1"), WORKERS, CLIENTS // WORKERS) as groups:
        readers = [client for group in groups for client in group[:4]]
        writers = [client for group in groups for client in group[4:8]]
        await writers[0].send(next(writes))
        alone: list[Answer] = []
        beside: list[Answer] = []
        for _ in range(turns):
            for answers, others in ((alone, writers[:0]), (beside, writers)):
                async with loading(readers, reads), loading(others, writes):
                    await asyncio.sleep(seconds / turns / 2)
                for reader in readers:
                    answers += reader.answers
                    reader.answers.clear()
    assert set(statuses([*alone, *beside, *answers_of(writers)])) == {200}
    assert len(answers_of(writers)) >= turns * len(writers)
    return percentile(alone, 0.99), percentile(beside, 0.99)


@pytest.mark.parametrize("workers", [1, 2])
def test_host_of_all_addresses_answers_ipv4_and_ipv6(tmp_path: Path, workers: int) -> None:
    with server(tmp_path, "--demo", "--host", "::", "--workers", str(workers)) as running:
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{running.port}/healthz").status_code == 200
        # An IPv4 address in its usual form is on the list of addresses that read metrics.
        assert httpx.get(f"http://127.0.0.1:{running.port}/metrics").status_code == 200
