"""Requests: a bucket of tokens for each user, shared by the processes of one machine."""

import logging
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.auth import rate_limit
from fluent_cart.auth.limits import RateLimiter, create_limits
from fluent_cart.auth.rate_limit import BUCKETS, shared_file
from fluent_cart.settings import Settings
from tests.auth.test_failed_logins import Clock
from tests.conftest import MakeClient, credentials
from tests.contract.test_permissions import OPERATIONS, send
from tests.support.errors import assert_error
from tests.support.login import OnSQLite

ADA, BOB = 1, 2


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> RateLimiter:
    """Five a second, fifty at once."""
    return RateLimiter(5, clock=clock)


def acquire(limit: RateLimiter, user_id: int) -> tuple[int, ...]:
    """Count a request. Return the wait, and the numbers of the headers."""
    wait, headers = limit.acquire(user_id)
    names = [name for name, _ in headers]
    assert names == [b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"]
    return wait, *(int(value) for _, value in headers)


class TestBucket:
    def test_bucket_is_emptied_and_fills_again(self, limit: RateLimiter, clock: Clock) -> None:
        assert acquire(limit, ADA) == (0, 50, 49, 1)
        assert [acquire(limit, ADA)[2] for _ in range(49)] == list(range(48, -1, -1))
        assert acquire(limit, ADA) == (1, 50, 0, 10)
        clock.seconds += 0.2
        assert acquire(limit, ADA) == (0, 50, 0, 10)
        assert acquire(limit, ADA) == (1, 50, 0, 10)
        clock.seconds += 4
        assert acquire(limit, ADA) == (0, 50, 19, 7)
        clock.seconds += 1_000_000
        assert acquire(limit, ADA) == (0, 50, 49, 1)

    def test_rejected_request_takes_no_token(self, limit: RateLimiter, clock: Clock) -> None:
        while not limit.acquire(ADA)[0]:
            pass
        for _ in range(100):
            assert limit.acquire(ADA)[0] == 1
        clock.seconds += 0.2
        assert limit.acquire(ADA)[0] == 0

    def test_each_user_has_a_bucket(self, limit: RateLimiter) -> None:
        while not limit.acquire(ADA)[0]:
            pass
        assert acquire(limit, BOB) == (0, 50, 49, 1)
        assert acquire(limit, 2**63 - 1) == (0, 50, 49, 1)
        assert acquire(limit, ADA + BUCKETS)[0] == 1, "as it is documented"

    @pytest.mark.parametrize("per_second", [1, 7, 100, 1_000_000])
    def test_bucket_allows_the_documented_rate(self, per_second: int, clock: Clock) -> None:
        limit, burst = RateLimiter(per_second, clock=clock), min(10 * per_second, 5000)
        assert [acquire(limit, ADA)[2] for _ in range(burst)] == [
            10 * per_second - n for n in range(1, burst + 1)
        ]
        assert (limit.acquire(ADA)[0] > 0) == (burst == 10 * per_second)

    def test_requests_are_not_limited_if_the_limit_is_0(self) -> None:
        limit = RateLimiter(0)
        assert [limit.acquire(ADA) for _ in range(20)] == [(0, ())] * 20


class TestSharing:
    def test_limiters_with_one_file_count_together(self, clock: Clock) -> None:
        with shared_file() as path:
            one, other = RateLimiter(1, path, clock), RateLimiter(1, path, clock)
            assert [acquire(each, ADA)[2] for each in (one, other, one, other)] == [9, 8, 7, 6]
            while not one.acquire(ADA)[0]:
                pass
            assert other.acquire(ADA)[0] == 1
            assert Path(path).parent.stat().st_mode & 0o077 == 0, "nobody else may count"
        assert not Path(path).exists()

    def test_limits_of_applications_with_one_file_count_together(self) -> None:
        with shared_file() as path:
            settings = Settings(rate_limit=1, rate_limit_file=path, _env_file=None)
            one, other = create_limits(settings).requests, create_limits(settings).requests
            for _ in range(5):
                one.acquire(ADA)
            assert acquire(other, ADA)[2] < 9

    def test_processes_with_one_file_count_together(self) -> None:
        script = (
            "import runpy, sys\n"
            "limit = runpy.run_path(sys.argv[1])['RateLimiter'](1, sys.argv[2], lambda: 60.0)\n"
            "print([limit.acquire(1)[0] for _ in range(6)])"
        )
        with shared_file() as path:
            limit = RateLimiter(1, path, lambda: 60.0)
            assert [limit.acquire(ADA)[0] for _ in range(6)] == [0] * 6
            command = [sys.executable, "-c", script, rate_limit.__file__, path]
            seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert seen == "[0, 0, 0, 0, 1, 1]\n"
            assert limit.acquire(ADA)[0] == 1

    @pytest.mark.parametrize("content", [None, b"", b"short"])
    def test_limiter_without_its_file_counts_alone_and_logs_it(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
    ) -> None:
        path = tmp_path / "requests"
        if content is not None:
            path.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            limit = RateLimiter(1, str(path))
        text = "Requests are counted in this process alone, because the shared file is gone"
        assert [record.getMessage() for record in caplog.records] == [text]
        assert [limit.acquire(ADA)[0] for _ in range(10)] == [0] * 10


class TestAnswers(OnSQLite):
    """The limit as callers see it, at every operation."""

    async def test_responses_have_the_remaining_number_of_requests(
        self, app: FastAPI, client_of: MakeClient
    ) -> None:
        app.state.limits = app.state.limits._replace(requests=RateLimiter(10, clock=lambda: 60.0))
        left = 100
        for auth in (credentials("manager"), None, httpx.BasicAuth("manager", "wrong")):
            async with client_of(auth) as client:
                for method, path, operation in OPERATIONS:
                    answer = await send(client, method, path, operation)
                    numbers = {
                        name.removeprefix("x-ratelimit-"): value
                        for name, value in answer.headers.items()
                        if name.startswith("x-ratelimit-")
                    }
                    if answer.status_code == 401:
                        assert numbers == {}, "nobody has signed in"
                        continue
                    left -= 1
                    assert numbers["limit"] == "100"
                    assert numbers["remaining"] == str(left)
                    assert 0 < int(numbers["reset"]) <= 10
        assert left == 100 - len(OPERATIONS)

    async def test_request_over_the_limit_is_429_before_any_other_error(
        self, app: FastAPI, client_of: MakeClient
    ) -> None:
        app.state.limits = app.state.limits._replace(requests=RateLimiter(1, clock=lambda: 60.0))
        async with (
            client_of(credentials("subscriber")) as no_permissions,
            client_of(credentials("worker")) as viewer,
        ):
            for _ in range(10):
                assert_error(await no_permissions.get("/abc"), 403, "insufficient_permissions")
            refused = await no_permissions.get("/abc")
            assert_error(refused, 429, "rate_limited")
            assert (refused.headers["retry-after"], refused.headers["x-ratelimit-remaining"]) == ("1", "0")
            assert (await viewer.get("")).status_code == 200

    async def test_responses_without_a_limit_have_no_limit_headers(self, viewer: httpx.AsyncClient) -> None:
        assert not [name for name in (await viewer.get("")).headers if name.startswith("x-ratelimit")]

    def test_requests_are_limited_by_default(self) -> None:
        settings = Settings(_env_file=None)
        assert (settings.rate_limit, settings.failed_login_limit) == (100, 10)
