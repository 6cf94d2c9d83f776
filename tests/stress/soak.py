"""A load that does not end, and what it does to memory, files and errors."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from statistics import linear_regression
from typing import Any

import orjson

from tests.stress.guarantees import Figure, Scale, at_least, at_most, guarantee, none
from tests.stress.shops import PLACE, REQUESTS, SQLITE, Shop, serving
from tests.support.load import Client, connected
from tests.support.server import Server

CLIENTS = 16
CUSTOMERS = 200
# The server is to be busy all the time, the machine not.
PAUSE_SECONDS = 0.01
SAMPLE_SECONDS = 2
# Until caches are full, memory grows as it should.
WARM_UP = 0.3


class _Sample:
    """The workers' memory in MiB, open files, and the size of the write-ahead log at a moment."""

    def __init__(self, shop: Shop, running: Server) -> None:
        workers = [Path(f"/proc/{worker}") for worker in running.workers()]
        self.at = time.monotonic()
        self.memory = max(resident(worker) for worker in workers)
        self.files = max(len(list((worker / "fd").iterdir())) for worker in workers)
        log = shop.file.with_name(f"{shop.file.name}-wal")
        self.log = log.stat().st_size / 2**20 if shop.database == SQLITE and log.exists() else 0.0


def resident(process: Path) -> float:
    """Return how many MiB of memory a process has."""
    return int((process / "statm").read_text().split()[1]) * 4096 / 2**20


@guarantee("E14", "a mixed load that goes on")
async def soak(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(CUSTOMERS, addresses_each=2)
    answered: Counter[int] = Counter()
    with serving(shop) as running:
        samples: list[_Sample] = []
        async with connected(running.port, CLIENTS) as clients, asyncio.TaskGroup() as group:
            end = time.monotonic() + scale.soak_minutes * 60
            for number, client in enumerate(clients):
                group.create_task(_live(client, number, end, answered))
            while time.monotonic() < end - SAMPLE_SECONDS:
                await asyncio.sleep(SAMPLE_SECONDS)
                samples.append(_Sample(shop, running))
    steady = samples[int(len(samples) * WARM_UP) :]
    minutes = (steady[-1].at - steady[0].at) / 60
    growth = linear_regression([s.at for s in steady], [s.memory for s in steady]).slope * 60 * minutes
    half = len(steady) // 2
    figures = [
        none(f"other answers than 200 of {answered.total():,}", answered.total() - answered[200]),
        at_least("requests", answered.total(), int(1000 * scale.soak_minutes)),
        # Of the worker that has most. The slope is the one guaranteed, and never less than can be measured.
        at_most(f"memory that grew in {minutes:.1f} steady minutes", growth, max(1.0, minutes / 10), "MiB"),
        at_most("memory at the end", steady[-1].memory, 250, "MiB"),
        at_most(
            "open files, the most of the second half less those of the first",
            max(s.files for s in steady[half:]) - max(s.files for s in steady[:half]),
            0,
        ),
    ]
    if shop.database == SQLITE:
        figures.append(at_most("largest log of writes", max(s.log for s in samples), 64, "MiB"))
    return figures


async def _live(client: Client, number: int, end: float, answered: Counter[int]) -> None:
    """Do everything that clients do, over and over, and leave the shop as large as it was."""

    async def send(method: str, path: str = "", body: Any = None) -> int:
        """Return the id of what was made, if anything was."""
        answer = await client.send(REQUESTS.request(method, path, body))
        answered[answer.status] += 1
        client.answers.clear()
        await asyncio.sleep(PAUSE_SECONDS)
        data = orjson.loads(answer.body or b"{}").get("data", {})
        return next((each["id"] for key in ("customer", "address") if (each := data.get(key))), 0)

    turn = 0
    while time.monotonic() < end:
        turn += 1
        customer_id = (number * 7919 + turn * 31) % CUSTOMERS + 1
        await send("GET", f"/{customer_id}")
        await send("GET", f"?search=customer{customer_id}&per_page=20")
        await send("GET", "?filters[status]=active&order_by=total_spent&page=3")
        await send("GET", f"/get-stats/{customer_id}")
        await send("GET", f"/{customer_id}/orders")
        await send("GET", "/attachable-user")
        await send("PUT", f"/{customer_id}", {"phone": f"+1 {turn:07}", "first_name": f"Name {turn}"})
        await send("PUT", f"/{customer_id}/additional-info", {"turn": turn})
        new = await send("POST", "", {"email": f"{turn}@soak{number}.example"})
        await send("POST", f"/{new}/address", PLACE)
        second = await send("POST", f"/{new}/address", PLACE)
        await send("POST", f"/{new}/address/make-primary", {"address_id": second})
        await send("DELETE", f"/{new}/address", {"address_id": second})
        await send("POST", "/do-bulk-action", {"action": "export", "customer_ids": [customer_id, new]})
        await send("POST", "/do-bulk-action", {"action": "delete", "customer_ids": [new]})
