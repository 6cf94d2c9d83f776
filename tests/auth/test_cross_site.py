"""Writes that a browser sends for another site, with the password that it remembers."""

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import MakeClient, MakeCustomer, credentials
from tests.support.errors import assert_error

SITE = "http://shop.example"


@pytest.fixture(autouse=True)
def allowed_origins(app: FastAPI) -> None:
    app.state.cors_origins = frozenset({"https://admin.example"})


@pytest.fixture
async def manager(client_of: MakeClient, make_customer: MakeCustomer) -> httpx.AsyncClient:
    await make_customer(email="a@example.com")
    return client_of(credentials("manager"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://other.shop.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("override", ["", "?_method=PUT", "?_method=DELETE"])
async def test_write_of_another_site_is_rejected(
    manager: httpx.AsyncClient, headers: dict[str, str], override: str
) -> None:
    response = await manager.post(f"/1{override}" if override else "", data={"email": "x"}, headers=headers)
    if override != "?_method=DELETE":
        assert_error(response, 403, "cross_site_request")
    response = await manager.post(f"/1/address{override}", data={"address_id": 1}, headers=headers)
    assert_error(response, 403, "cross_site_request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": SITE},
        {"Sec-Fetch-Site": "none"},
        {"Origin": SITE},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://admin.example"},
    ],
)
async def test_write_of_a_program_or_of_an_allowed_site_is_carried_out(
    manager: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await manager.put("/1", json={"first_name": "Ann"}, headers=headers)
    assert response.status_code == 200


async def test_read_of_another_site_is_answered(manager: httpx.AsyncClient) -> None:
    response = await manager.get("/1", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("mode", "prompts"), [("navigate", True), ("cors", False), ("no-cors", False), ("", True)]
)
async def test_browser_prompts_for_a_password_only_when_it_navigates(
    client_of: MakeClient, mode: str, prompts: bool
) -> None:
    headers = {"Sec-Fetch-Mode": mode} if mode else {}
    for auth in (None, httpx.BasicAuth("manager", "wrong")):
        response = await client_of(auth).get("/1", headers=headers)
        assert response.status_code == 401
        assert ("www-authenticate" in response.headers) is prompts
