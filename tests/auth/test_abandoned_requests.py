"""Requests whose client has closed the connection: reads do not run, writes do."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from fluent_cart.observability.request_context import request_context
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import credentials


@pytest.fixture
def abandoned(app: FastAPI) -> httpx.AsyncClient:
    """A manager who closes each connection at once."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request_context(scope).is_abandoned = True
        await app(scope, receive, send)

    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application),
        base_url=f"http://shop.example{PREFIX}",
        auth=credentials("manager"),
    )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_read_of_a_client_who_has_gone_does_not_run(abandoned: httpx.AsyncClient, method: str) -> None:
    response = await abandoned.request(method, "")
    assert (response.status_code, response.content) == (499, b"")


async def test_write_of_a_client_who_has_gone_runs(
    abandoned: httpx.AsyncClient, manager: httpx.AsyncClient
) -> None:
    """WordPress does not wait for the response to a request that is not blocking."""
    await abandoned.post("", json={"email": "gone@example.com"})
    assert (await manager.get("", params={"search": "gone@example.com"})).json()["data"]["pagination"][
        "total"
    ] == 1
