"""A client that keeps a copy of a shop: it and the server are killed, and the copy is the shop."""

import asyncio
import random
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from fluent_cart.database import connect
from fluent_cart.models import Customer
from fluent_cart.services.customers import get_customers
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import secret_of
from tests.stress.guarantees import Figure, Scale, at_least, guarantee, measured, none
from tests.stress.shops import PLACE, REQUESTS, Shop, aside, serving
from tests.stress.sync_client import TABLES, read_state
from tests.support.load import BROKEN, HOST, Client, Request
from tests.support.paths import ROOT

WRITERS = 10
# So many that a change which a client misses is rarely followed by another change of the same customer.
CUSTOMERS = 1000
# Errors because a customer is deleted or merged, or an address is in use, are not defects of the server.
EXPECTED = {200, 404, 410, 422, 503, BROKEN}
SERVER_LIVES, CLIENT_LIVES = (1, 8), (0.2, 3)
CATCH_UP_SECONDS = 60


@dataclass
class Outcome:
    """The answers, the kills, and the differences between the copies and the shop, of all runs."""

    statuses: Counter[int] = field(default_factory=Counter)
    kills_of_server: int = 0
    kills_of_client: int = 0
    applied: int = 0
    missing: int = 0
    surplus: int = 0
    different: int = 0
    not_caught_up: int = 0


@guarantee("E20", f"a copy kept by changes, {WRITERS} writers, SIGKILL of the client and of the server")
async def sync(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(CUSTOMERS, addresses_each=1)
    outcome = Outcome()
    for number in range(scale.sync_runs):
        await _run(shop, shop.folder / f"copy{number}.db", scale.sync_seconds, outcome)
    return [
        none("customers that a copy lacks", outcome.missing),
        none("customers that a copy has and the shop does not", outcome.surplus),
        none("customers that differ", outcome.different),
        none("copies that did not reach the last change", outcome.not_caught_up),
        none("unexpected answers", sum(outcome.statuses[each] for each in {*outcome.statuses} - EXPECTED)),
        at_least("kills of the client", outcome.kills_of_client, scale.sync_runs),
        at_least("kills of the server", outcome.kills_of_server, scale.sync_runs),
        at_least("writes", outcome.statuses[200], scale.sync_runs),
        measured("changes applied", f"{outcome.applied:,}"),
        measured("answers", ", ".join(f"{status}: {n:,}" for status, n in sorted(outcome.statuses.items()))),
        measured(f"runs of {scale.sync_seconds:g} s", scale.sync_runs),
    ]


async def _run(shop: Shop, file: Path, seconds: float, outcome: Outcome) -> None:
    chance, end = random.Random(), 0.0
    # On a busy machine, every client may be killed before it has made its file.
    with closing(sqlite3.connect(file)) as copy:
        copy.executescript(TABLES)
    with socket.create_server((HOST, 0), backlog=1024) as listening:
        port = listening.getsockname()[1]
        async with asyncio.timeout(seconds + 3 * CATCH_UP_SECONDS), asyncio.TaskGroup() as group:
            while not end or time.monotonic() < end:
                async with aside(serving(shop, listening=listening)) as running:
                    if not end:
                        end = time.monotonic() + seconds
                        group.create_task(_kill_clients(port, file, end, chance, outcome))
                        writers = _Writers(chance, outcome)
                        for _ in range(WRITERS):
                            group.create_task(writers.write(port, end))
                    await asyncio.sleep(chance.uniform(*SERVER_LIVES))
                    running.kill_all()
                    outcome.kills_of_server += 1
        async with aside(serving(shop, listening=listening)):
            outcome.not_caught_up += not await _caught_up(port, file)
    _compare(shop, file, outcome)


def _client(port: int, file: Path) -> "subprocess.Popen[bytes]":
    login = f"manager:{secret_of('manager')}"
    command = [sys.executable, "-m", "tests.stress.sync_client", f"http://{HOST}:{port}{PREFIX}", login]
    return subprocess.Popen([*command, str(file)], cwd=ROOT)


async def _kill_clients(port: int, file: Path, end: float, chance: random.Random, outcome: Outcome) -> None:
    while time.monotonic() < end:
        client = _client(port, file)
        try:
            await asyncio.sleep(chance.uniform(*CLIENT_LIVES))
        finally:
            client.kill()
            client.wait()
        outcome.kills_of_client += 1


async def _caught_up(port: int, file: Path) -> bool:
    """Let the client continue until it has the last change. Return whether it got there."""
    client, deadline = _client(port, file), time.monotonic() + CATCH_UP_SECONDS
    asking = await Client.connect(port)
    try:
        while time.monotonic() < deadline:
            newest = orjson.loads((await asking.send(REQUESTS.read("/changes"))).body)["data"]["cursor"]
            if _state(file, "cursor") == newest and _state(file, "is_listed"):
                return True
            await asyncio.sleep(0.1)
    finally:
        asking.close()
        client.kill()
        client.wait()
    return False


def _state(file: Path, name: str) -> Any:
    with closing(sqlite3.connect(file)) as copy:
        return read_state(copy, name)


def _compare(shop: Shop, file: Path, outcome: Outcome) -> None:
    with closing(sqlite3.connect(file)) as copy:
        copied = {key: orjson.loads(text) for key, text in copy.execute("SELECT id, record FROM customers")}
    with connect(shop.url) as connection:
        ids = connection.scalars(select(Customer.id)).all()
        found = orjson.loads(orjson.dumps(get_customers(connection, ids), option=orjson.OPT_NON_STR_KEYS))
    stored = {int(key): customer for key, customer in found.items()}
    outcome.missing += len(stored.keys() - copied.keys())
    outcome.surplus += len(copied.keys() - stored.keys())
    # A customer who never changed has the fields of the list, which lacks some.
    outcome.different += sum(
        customer != {name: stored[key].get(name) for name in customer}
        for key, customer in copied.items()
        if key in stored
    )
    outcome.applied += _state(file, "applied") or 0


class _Writers:
    """Sends writes of every kind. It creates as many customers as it removes."""

    def __init__(self, chance: random.Random, outcome: Outcome) -> None:
        self._chance, self._outcome = chance, outcome
        self._newest = CUSTOMERS

    async def write(self, port: int, end: float) -> None:
        """Send one write after the other, over a new connection if the server was killed."""
        client = await Client.connect(port)
        while time.monotonic() < end:
            answer = await client.send(self._request())
            client.answers.clear()
            self._outcome.statuses[answer.status] += 1
            if answer.request.writes and answer.ok:
                self._newest = max(self._newest, orjson.loads(answer.body)["data"]["customer"]["id"])
            if answer.status == BROKEN:
                client.close()
                client = await Client.connect(port)
        client.close()

    def _request(self) -> Request:
        some, other = self._some(), self._some()
        change = {"first_name": f"Name {self._chance.random()}"}
        batch = {
            "create": [self._new() for _ in range(10)],
            "update": [{"id": self._some(), **change} for _ in range(20)],
            "delete": [self._some() for _ in range(2)],
        }
        action = {"action": "update_status", "customer_ids": [some, other], "data": {"status": "inactive"}}
        new = self._new()
        kinds = {
            REQUESTS.request("POST", "", new, writes=new["email"]): 20,
            REQUESTS.request("PUT", f"/{some}", change): 20,
            REQUESTS.request("POST", f"/{some}/address", PLACE): 10,
            REQUESTS.request("PUT", f"/{some}/additional-info", change): 10,
            REQUESTS.request("POST", "/batch", batch): 15,
            REQUESTS.request("POST", "/do-bulk-action", action): 5,
            REQUESTS.request("POST", f"/{some}/merge", {"from_id": other}): 8,
            REQUESTS.request("POST", f"/{some}/erase"): 4,
            REQUESTS.request("DELETE", f"/{some}"): 4,
        }
        return self._chance.choices([*kinds], [*kinds.values()])[0]

    def _some(self) -> int:
        """Return the id of one of the newest customers."""
        return self._newest - self._chance.randrange(CUSTOMERS)

    def _new(self) -> dict[str, str]:
        return {"email": f"{self._chance.randbytes(8).hex()}@sync.example", "first_name": "New"}
