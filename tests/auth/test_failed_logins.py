"""Wrong passwords: the eleventh in five minutes, for one name or from one address, is 429.

Measured in docs/guarantees.md, A10.
"""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.auth.failed_logins import MAX_KEYS
from fluent_cart.auth.limits import FailedLoginLimiter, create_limits
from fluent_cart.database import Database
from fluent_cart.settings import Settings
from tests.conftest import secret_of
from tests.support.errors import assert_error
from tests.support.login import (
    LEGACY_HASH,
    LEGACY_SECRET,
    OnSQLite,
    Work,
    assert_refused,
    assert_signed_in,
    basic,
    store_hash,
    store_user,
)

HERE, THERE = "192.0.2.1", "198.51.100.7"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> FailedLoginLimiter:
    return FailedLoginLimiter(10, clock)


def addresses(number: int) -> list[str]:
    return [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(number)]


class TestCounting:
    def test_eleventh_failure_from_one_address_is_429(self, limit: FailedLoginLimiter, clock: Clock) -> None:
        assert [limit.record_failure(f"name {n}", HERE) for n in range(10)] == [0] * 10
        assert (limit.retry_after(HERE), limit.retry_after(THERE)) == (300, 0)
        clock.seconds += 100.5
        assert (limit.record_failure("another", HERE), limit.record_failure("another", THERE)) == (200, 0)

    def test_eleventh_failure_for_one_name_is_429(self, limit: FailedLoginLimiter) -> None:
        *first, eleventh = addresses(11)
        assert [limit.record_failure("ada", address) for address in first] == [0] * 10
        assert (limit.record_failure("ada", eleventh), limit.record_failure("bob", eleventh)) == (300, 0)

    def test_failures_for_one_account_do_not_block_other_addresses(self, limit: FailedLoginLimiter) -> None:
        """Slow work is rejected by address only, so that no user can be locked out from elsewhere."""
        for address in addresses(50):
            limit.record_failure("ada", address)
        assert limit.retry_after(HERE) == 0

    def test_failures_count_in_any_five_minutes(self, limit: FailedLoginLimiter, clock: Clock) -> None:
        """Not of five by the clock: the end of one such and the start of the next would let 20 through."""
        for _ in range(10):
            assert limit.record_failure("ada", HERE) == 0
            clock.seconds += 25
        # The first was 250 seconds ago, the tenth 25.
        assert limit.record_failure("ada", HERE) == 50
        clock.seconds += 50
        assert limit.record_failure("ada", HERE) == 0
        assert limit.record_failure("ada", HERE) == 25

    def test_rejected_attempts_do_not_count_as_failures(
        self, limit: FailedLoginLimiter, clock: Clock
    ) -> None:
        for _ in range(50):
            limit.record_failure("ada", HERE)
            clock.seconds += 1
        clock.seconds += 260
        assert limit.record_failure("ada", HERE) == 0

    def test_failures_of_an_ipv6_network_count_together(self, limit: FailedLoginLimiter) -> None:
        for n in range(10):
            limit.record_failure(f"name {n}", f"2001:db8:1:2::{n:x}")
        assert limit.retry_after("2001:db8:1:2:ffff::1") == 300
        assert limit.retry_after("2001:db8:1:3::1") == 0
        for n in range(10):
            limit.record_failure(f"other {n}", f"::ffff:{HERE}")
        assert (
            limit.retry_after(HERE),
            limit.retry_after("::ffff:192.0.2.2"),
            limit.retry_after("not an address"),
        ) == (300, 0, 0)

    def test_failures_do_not_count_if_the_limit_is_0(self, clock: Clock) -> None:
        limit = FailedLoginLimiter(0, clock)
        assert [limit.record_failure("ada", HERE) for _ in range(50)] == [0] * 50
        assert limit.retry_after(HERE) == 0

    def test_limit_of_one_failure_is_possible(self, clock: Clock) -> None:
        limit = FailedLoginLimiter(1, clock)
        assert (limit.record_failure("ada", HERE), limit.record_failure("ada", HERE)) == (0, 300)


class TestMemory:
    def test_memory_of_failures_is_bounded(self, limit: FailedLoginLimiter) -> None:
        """Twenty thousand names, each long and from an address of its own."""
        long = "x" * 500
        for n, address in enumerate(addresses(20_000)):
            limit.record_failure(f"{n}{long}", address)
        assert self.held(limit) == (2 * MAX_KEYS, 2 * MAX_KEYS)
        assert 2 * MAX_KEYS == 10_000

    def test_memory_of_one_key_is_bounded(self, limit: FailedLoginLimiter, clock: Clock) -> None:
        for n in range(500):
            limit.record_failure("ada", HERE)
            limit.record_failure("ada", f"10.0.0.{n % 256}")
            clock.seconds += 31
        assert max(len(times) for times in limit._names._times.values()) == 10
        assert max(len(times) for times in limit._addresses._times.values()) == 10

    @staticmethod
    def held(limit: FailedLoginLimiter) -> tuple[int, int]:
        """Return how many keys and how many times are remembered."""
        kept = [*limit._names._times.values(), *limit._addresses._times.values()]
        return len(kept), sum(map(len, kept))

    def test_full_memory_forgets_the_key_whose_last_failure_is_oldest(
        self, limit: FailedLoginLimiter
    ) -> None:
        for _ in range(9):
            limit.record_failure("ada", HERE)
        for address in addresses(MAX_KEYS - 1):
            limit.record_failure("bob", address)
        limit.record_failure("ada", HERE)
        limit.record_failure("bob", THERE)
        assert limit.retry_after(HERE) == 300
        for address in addresses(MAX_KEYS):
            limit.record_failure("bob", address)
        assert limit.retry_after(HERE) == 0

    def test_one_address_cannot_fill_the_memory_of_names(self, limit: FailedLoginLimiter) -> None:
        for address in addresses(9):
            limit.record_failure("ada", address)
        for n in range(3 * MAX_KEYS):
            limit.record_failure(f"name {n}", HERE)
        assert limit.record_failure("ada", THERE) == 0
        assert limit.record_failure("ada", "203.0.113.9") == 300


class TestOverHTTP(OnSQLite):
    """The limit as callers see it."""

    @pytest.fixture
    def at(self, app: FastAPI) -> Callable[[str], httpx.AsyncClient]:
        """Make a client at an address."""
        app.state.limits = create_limits(Settings(_env_file=None))

        def client(address: str) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, client=(address, 1))
            return httpx.AsyncClient(transport=transport, base_url="http://shop.example")

        return client

    URL = "/wp-json/fluent-cart/v2/customers"

    async def ask(self, client: httpx.AsyncClient, name: str, secret: str = "wrong") -> httpx.Response:
        headers = basic(f"{name}:{secret}") | {"X-Request-Id": "same"}
        return await client.get(self.URL, headers=headers)

    async def test_eleventh_wrong_password_is_429_and_the_right_one_still_passes(
        self, at: Callable[[str], httpx.AsyncClient]
    ) -> None:
        async with at(HERE) as here, at(THERE) as there:
            for _ in range(10):
                assert_refused(await self.ask(here, "worker"))
            throttled = await self.ask(here, "worker")
            assert_error(throttled, 429, "too_many_attempts")
            assert 200 < int(throttled.headers["retry-after"]) <= 300
            assert "www-authenticate" not in throttled.headers
            # No user is locked out, from here or from elsewhere.
            for client in (here, there):
                assert_signed_in(await self.ask(client, "worker", secret_of("worker")))
            assert_error(await self.ask(there, "worker"), 429, "too_many_attempts")
            assert_error(await self.ask(here, "unknown"), 429, "too_many_attempts")
            assert_refused(await self.ask(there, "unknown"))

    async def test_failures_of_a_name_count_in_any_case_from_any_address(
        self, at: Callable[[str], httpx.AsyncClient]
    ) -> None:
        answers = []
        for number in range(12):
            async with at(f"192.0.2.{number}") as client:
                answers.append(await self.ask(client, "worker" if number % 2 else "WORKER"))
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        # As long as the first of the ten counts, and not a second only.
        assert 200 < int(answers[-1].headers["retry-after"]) <= 300

    async def test_eleventh_wrong_password_is_429_for_every_kind_of_name(
        self, at: Callable[[str], httpx.AsyncClient]
    ) -> None:
        """A known or unknown name, or an address, in any case, with an old password or without one."""
        courses = []
        for n, name in enumerate(("worker", "unknown", "manager@shop.example", "no@shop.example", "x" * 999)):
            async with at(f"192.0.2.{n}") as client:
                answers = [await self.ask(client, name.upper() if k % 2 else name) for k in range(12)]
            courses.append([(each.status_code, each.content, each.headers.multi_items()) for each in answers])
        assert courses == [courses[0]] * 5
        assert [status for status, *_ in courses[0]] == [401] * 10 + [429] * 2

    async def test_requests_without_credentials_are_not_counted(
        self, at: Callable[[str], httpx.AsyncClient]
    ) -> None:
        async with at(HERE) as client:
            for _ in range(20):
                assert_refused(await client.get(self.URL), "authentication_required")
            assert_refused(await self.ask(client, "worker"))

    async def test_throttled_request_costs_no_slow_hash(
        self, at: Callable[[str], httpx.AsyncClient], database: Database, work: Work
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        async with at(HERE) as here, at(THERE) as there:
            for _ in range(12):
                await self.ask(here, "legacy")
            assert len(work.rounds) == 10
            assert_error(await self.ask(here, "legacy", LEGACY_SECRET), 429, "too_many_attempts")
            assert len(work.rounds) == 10
            # The name has its ten failures, but this caller none.
            assert_signed_in(await self.ask(there, "legacy", LEGACY_SECRET))
            assert_signed_in(await self.ask(here, "legacy", LEGACY_SECRET))
