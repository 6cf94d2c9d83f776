"""A server that is killed in the midst of requests: sent again with their keys, each has happened once."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from fluent_cart.app import create_app
from fluent_cart.database import connect
from fluent_cart.models import Address
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import credentials, rows
from tests.support.server import server

REQUESTS, AT_ONCE = 40, 16


async def send_all(client: httpx.AsyncClient, answered: Callable[[], None]) -> list[bytes | None]:
    """Create an address with each key and return the answers, None where there was none."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def create(number: int) -> bytes | None:
        place = {"address_1": f"{number} Main St", "city": "Rome", "country": "IT"}
        async with turn:
            try:
                answer = await client.post(
                    "/1/address", json=place, headers={"Idempotency-Key": f"address {number}"}
                )
            except httpx.TransportError:
                return None
        assert answer.status_code == 200
        answered()
        return answer.content

    return await asyncio.gather(*map(create, range(REQUESTS)))


@pytest.mark.server
async def test_retried_requests_happen_once_after_the_server_is_killed(
    own_settings: Settings, tmp_path: Path
) -> None:
    with connect(own_settings.database_url) as connection:
        customers.create_customer(connection, CustomerCreate(email="customer@example.com"))
    environment = {"FLUENT_CART_DATABASE_URL": own_settings.database_url}
    left = random.randint(1, REQUESTS // 2)
    with server(tmp_path, environment=environment) as running:

        def kill_after_some() -> None:
            nonlocal left
            left -= 1
            if not left:
                running.process.kill()

        address = f"{running.address}{PREFIX}"
        async with httpx.AsyncClient(base_url=address, auth=credentials("manager"), timeout=20) as client:
            before = await send_all(client, kill_after_some)
    app = create_app(own_settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url=f"http://shop.example{PREFIX}", auth=credentials("manager")
        ) as client,
    ):
        after = await send_all(client, lambda: None)
    # Requests without a response may have happened or not, until they are sent again.
    assert None in before
    assert [(old, new) for old, new in zip(before, after, strict=True) if old not in (None, new)] == []
    with connect(own_settings.database_url) as connection:
        stored = sorted(address["address_1"] for address in rows(connection, Address))
    assert stored == sorted(f"{number} Main St" for number in range(REQUESTS))
