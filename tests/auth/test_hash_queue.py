"""Slow hashes are checked one at a time, eight wait, and the next one is rejected.

Measured in docs/guarantees.md, A9.
"""

import asyncio
import threading

import httpx
import pytest

from fluent_cart.auth.limits import HashQueue
from fluent_cart.database import Database
from fluent_cart.errors import TooManyRequests
from fluent_cart.security import application_passwords
from tests.conftest import secret_of
from tests.support.errors import assert_error
from tests.support.login import LEGACY_HASH, OnSQLite, assert_signed_in, basic, store_hash, store_user


class Held:
    """A check that the test ends. It counts how many checks run at once."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.running, self.most = 0, 0

    def __call__(self) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        self.released.wait(30)
        self.running -= 1
        return 7


async def test_hashes_run_one_at_a_time_and_the_tenth_is_rejected() -> None:
    hashes, check = HashQueue(), Held()
    waiting = [asyncio.create_task(hashes.run(check)) for _ in range(9)]
    await asyncio.sleep(0)
    for _ in range(5):
        with pytest.raises(TooManyRequests) as refused:
            await hashes.run(check)
        assert refused.value.headers == {"Retry-After": "1"}
    check.released.set()
    assert await asyncio.gather(*waiting) == [7] * 9
    assert check.most == 1
    assert await hashes.run(check) == 7, "there is room again"
    assert hashes.pending == 0


async def test_failed_or_cancelled_hashes_leave_the_queue() -> None:
    def fail() -> None:
        raise ValueError

    hashes, check = HashQueue(), Held()
    for _ in range(20):
        with pytest.raises(ValueError):  # noqa: PT011  # its own
            await hashes.run(fail)
    first = asyncio.create_task(hashes.run(check))
    gone = [asyncio.create_task(hashes.run(check)) for _ in range(8)]
    await asyncio.sleep(0.01)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    again = [asyncio.create_task(hashes.run(check)) for _ in range(8)]
    await asyncio.sleep(0)
    check.released.set()
    assert await asyncio.gather(first, *again) == [7] * 9


class TestFlood(OnSQLite):
    async def test_flood_of_hashes_is_rejected_while_other_requests_are_served(
        self, database: Database, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        check = Held()
        monkeypatch.setattr(application_passwords, "verify", lambda *_: check() == 0)
        names = ["legacy", "unknown", "worker", "legacy@shop.example"] * 8
        flood = [asyncio.create_task(anonymous.get("", headers=basic(f"{name}:wrong"))) for name in names]
        done, waiting = await asyncio.wait(flood, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 23:
            done, waiting = await asyncio.wait(flood, timeout=0.01)
        for task in done:
            assert_error(task.result(), 429, "rate_limited")
            assert task.result().headers["retry-after"] == "1"
        for _ in range(3):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{secret_of('worker')}")))
        check.released.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [401] * 9
