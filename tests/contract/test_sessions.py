"""Cookie and nonce over every operation of the OpenAPI document, those that only read included.

Measured in docs/guarantees.md, A11.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.security import session_cookies
from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, login_password_of
from tests.contract.test_permissions import BODIES, every_operation, everything, url
from tests.support.errors import assert_error
from tests.support.login import LOGIN, make_nonce, sign_in, with_nonce

TICK = 12 * 3600


class Held(NamedTuple):
    """The value of a client's cookie, and a nonce."""

    cookie: str
    nonce: str


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database will do: test_sign_in ends sessions on both."""
    return sqlite_settings


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time for cookies and nonces, which the test sets."""
    seconds = [1_800_000_000.0]
    monkeypatch.setattr("time.time", lambda: seconds[0])
    return seconds


@pytest.fixture
async def client(client_of: MakeClient, clock: list[float]) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of() as client:
        yield client


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    customer = await make_customer(email="customer@example.com")
    await make_address(customer["id"])
    await make_address(customer["id"], type="shipping")
    # The one that a merger moves.
    await make_customer(email="other@example.com")


async def held_by(client: httpx.AsyncClient, login: str) -> Held:
    """Sign in, and return the cookie and the nonce, which the client then forgets."""
    await sign_in(client, login, login_password_of(login))
    held = Held(client.cookies[session_cookies.NAME], await make_nonce(client))
    client.cookies.clear()
    return held


@every_operation
async def test_cookie_and_nonce_sign_in_only_together(
    shop: None, database: Database, client: httpx.AsyncClient, clock: list[float],
    method: str, path: str, operation: str,
) -> None:  # fmt: skip
    async def send(cookie: str, nonce: str | None, place: str = "header") -> httpx.Response:
        headers = {"Cookie": f"{session_cookies.NAME}={cookie}"} if cookie else {}
        query = f"?_wpnonce={nonce}" if place == "query" else ""
        if place == "header" and nonce is not None:
            headers |= with_nonce(nonce)
        return await client.request(method, url(path) + query, headers=headers, json=BODIES.get(operation))

    manager, again, worker = [await held_by(client, login) for login in ("manager", "manager", "worker")]
    left = await held_by(client, "manager")
    out = f"{LOGIN}?action=logout&_wpnonce={left.nonce}"
    await client.get(out, headers={"Cookie": f"{session_cookies.NAME}={left.cookie}"})
    clock[0] -= 2 * TICK
    two_ticks_ago = await held_by(client, "manager")
    clock[0] += 2 * TICK
    before = await everything(database)

    wrong = {
        "empty": (manager.cookie, ""),
        "made up": (manager.cookie, "0123456789"),
        "another user's": (manager.cookie, worker.nonce),
        "another session's": (manager.cookie, again.nonce),
        "two ticks old": two_ticks_ago,
        "of a session that was ended": (manager.cookie, left.nonce),
    }
    for cookie, nonce in wrong.values():
        for place in ("header", "query"):
            answer = await send(cookie, nonce, place)
            assert_error(answer, 403, "rest_cookie_invalid_nonce")
            assert "x-wp-nonce" not in answer.headers
            assert "www-authenticate" not in answer.headers
    anonymous = {
        "a cookie alone": (manager.cookie, None),
        "a nonce alone": ("", manager.nonce),
        "signed out": left,
        "forged": (manager.cookie[:-1] + ("0" if manager.cookie[-1] != "0" else "1"), manager.nonce),
        "another login": (manager.cookie.replace("manager", "administrator"), manager.nonce),
        "no cookie of ours": ("x", manager.nonce),
    }
    for cookie, nonce_or_none in anonymous.values():
        assert_error(await send(cookie, nonce_or_none), 401, "authentication_required")
    clock[0] += 2 * 24 * 3600  # now they have expired
    assert_error(await send(*manager), 401, "authentication_required")
    clock[0] -= 2 * 24 * 3600
    assert await everything(database) == before

    for later in (0, TICK):
        clock[0] += later
        answer = await send(*manager)
        # A second attempt of an action that was done returns only the state.
        assert answer.status_code in ((200, 404, 422) if later else (200,)), answer.text
        assert (answer.headers["x-wp-nonce"] == manager.nonce) is (later == 0)


@every_operation
async def test_cookie_and_nonce_have_the_permissions_of_their_user(
    shop: None, database: Database, client: httpx.AsyncClient, method: str, path: str, operation: str
) -> None:
    subscriber = await held_by(client, "subscriber")
    before = await everything(database)
    headers = {"Cookie": f"{session_cookies.NAME}={subscriber.cookie}", **with_nonce(subscriber.nonce)}
    answer = await client.request(method, url(path), headers=headers, json=BODIES.get(operation))
    assert_error(answer, 403, "insufficient_permissions")
    assert await everything(database) == before
