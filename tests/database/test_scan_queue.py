"""Callers take turns with scans. A caller who has gone, or has too many waiting scans, gets no turn."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fluent_cart.database import scan_queue
from fluent_cart.database.scan_queue import CALLER, Caller, ClientGone, ScanQueue
from fluent_cart.errors import ServiceUnavailable, TooManyRequests


class Client:
    """A user's connection that the test closes."""

    def __init__(self, user_id: int) -> None:
        self.closed = asyncio.Event()
        self.user_id = user_id

    async def receive(self) -> Mapping[str, Any]:
        await self.closed.wait()
        return {"type": "http.disconnect"}


class Scans:
    """A queue, and scans that the test ends."""

    def __init__(self, timeout: float = 20, slots: int = 1) -> None:
        self.queue = ScanQueue(slots, timeout)
        self.order: list[str] = []
        self.go_on = asyncio.Event()

    def start(self, client: Client, name: str) -> asyncio.Task[None]:
        async def scan() -> None:
            self.order.append(name)
            await self.go_on.wait()

        async def run() -> None:
            CALLER.set(Caller(client.user_id, client.receive))
            await self.queue.run(scan)

        return asyncio.ensure_future(run())


async def test_scans_of_several_callers_take_turns() -> None:
    scans, greedy, other = Scans(), Client(1), Client(2)
    tasks = [scans.start(greedy, f"greedy {number}") for number in range(4)]
    await asyncio.sleep(0)
    tasks.append(scans.start(other, "other"))
    await asyncio.sleep(0)
    assert scans.queue.waiting == 4
    scans.go_on.set()
    await asyncio.gather(*tasks)
    assert scans.order == ["greedy 0", "greedy 1", "other", "greedy 2", "greedy 3"]
    assert scans.queue.waiting == 0


async def test_last_slot_is_for_a_caller_without_a_running_scan() -> None:
    scans, greedy, other = Scans(slots=3), Client(1), Client(2)
    tasks = [scans.start(greedy, f"greedy {number}") for number in range(4)]
    await asyncio.sleep(0)
    tasks += [scans.start(other, "other"), scans.start(other, "second")]
    await asyncio.sleep(0)
    assert (scans.order, scans.queue.waiting) == (["greedy 0", "greedy 1", "other"], 3)
    scans.go_on.set()
    await asyncio.gather(*tasks)
    assert scans.order[3:] == ["greedy 2", "second", "greedy 3"]
    tasks = [scans.start(greedy, "again"), scans.start(greedy, "again")]
    await asyncio.gather(*tasks)
    assert scans.queue.waiting == 0


async def test_caller_alone_has_every_slot_of_two() -> None:
    scans, client = Scans(slots=2), Client(1)
    tasks = [scans.start(client, str(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert scans.order == ["0", "1"]
    scans.go_on.set()
    await asyncio.gather(*tasks)


async def test_scan_of_a_caller_who_has_gone_does_not_run() -> None:
    scans, client = Scans(), Client(1)
    tasks = [scans.start(client, "runs"), scans.start(client, "gone")]
    await asyncio.sleep(0)
    client.closed.set()
    with pytest.raises(ClientGone):
        await tasks[1]
    scans.go_on.set()
    await tasks[0]
    assert scans.order == ["runs"]


async def test_caller_with_too_many_waiting_scans_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_queue, "MAX_WAITING_OF_ONE", 2)
    scans, client, other = Scans(), Client(1), Client(2)
    tasks = [scans.start(client, str(number)) for number in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await tasks[3]
    tasks[3] = scans.start(other, "other")
    scans.go_on.set()
    await asyncio.gather(*tasks)
    assert scans.order == ["0", "1", "other", "2"]


async def test_full_queue_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_queue, "MAX_WAITING", 2)
    scans = Scans()
    tasks = [scans.start(Client(number), str(number)) for number in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable):
        await tasks[3]
    scans.go_on.set()
    await asyncio.gather(*tasks[:3])


async def test_scan_whose_turn_does_not_come_in_time_is_unavailable() -> None:
    scans = Scans(timeout=0.02)
    tasks = [scans.start(Client(1), "runs"), scans.start(Client(2), "late")]
    with pytest.raises(ServiceUnavailable):
        await tasks[1]
    scans.go_on.set()
    await tasks[0]
    assert (scans.order, scans.queue.waiting) == (["runs"], 0)
    await scans.start(Client(2), "next")
    assert scans.order == ["runs", "next"]


async def test_cancelled_scan_gives_its_turn_to_the_next() -> None:
    scans = Scans()
    tasks = [scans.start(Client(number), str(number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    scans.go_on.set()
    await asyncio.gather(tasks[0], tasks[2])
    assert scans.order == ["0", "2"]


async def test_failing_scan_frees_its_slot() -> None:
    queue = ScanQueue(1, 1)

    async def fail() -> None:
        raise RuntimeError("on purpose")

    async def succeed() -> str:
        return "done"

    with pytest.raises(RuntimeError):
        await queue.run(fail)
    assert await queue.run(succeed) == "done"
