"""Scripts of other sites.

See docs/decisions.md#73-cors.
"""

from collections.abc import AsyncIterator
from typing import ClassVar

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.app import create_app
from fluent_cart.database import Database
from fluent_cart.settings import Settings
from fluent_cart.wordpress.cors import ALLOWED
from fluent_cart.wordpress.exposed_headers import EXPOSED
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeClient, credentials

ORIGIN = "https://admin.example"
OTHERS = (
    "https://evil.example", "null", "", "*", "https://admin.example.evil.example", "http://admin.example",
    "https://admin.example:444", "https://ADMIN.example", "https://admin.example/", "admin.example",
)  # fmt: skip


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings.model_copy(update={"cors_origins": f"http://localhost:5173, {ORIGIN}"})


@pytest.fixture
async def site(settings: Settings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """An application with two origins, signed in."""
    app: FastAPI = create_app(settings)
    app.state.database = database
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://shop.example", auth=credentials("manager")
    ) as client:
        yield client


def cors(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


class TestResponses:
    @pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:5173"])
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", PREFIX, 200), ("POST", PREFIX, 422), ("GET", f"{PREFIX}/9", 404), ("PATCH", PREFIX, 405),
         ("GET", "/nothing", 404), ("GET", "/wp-json", 200)],
    )  # fmt: skip
    async def test_response_to_an_allowed_origin_has_the_cors_headers(
        self, site: httpx.AsyncClient, origin: str, method: str, path: str, status: int
    ) -> None:
        response = await site.request(method, path, headers={"Origin": origin})
        assert response.status_code == status
        assert cors(response) == {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": ", ".join(EXPOSED),
        }
        assert response.headers.get_list("vary") == ["Origin"]

    async def test_errors_have_the_cors_headers(
        self, site: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = await site.get(PREFIX, headers={"Origin": ORIGIN}, auth=("manager", "wrong"))
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
        monkeypatch.setattr("fluent_cart.services.addresses.list_addresses", None)
        failed = await site.get(f"{PREFIX}/1/address", headers={"Origin": ORIGIN})
        assert (failed.status_code, failed.headers["access-control-allow-origin"]) == (500, ORIGIN)

    @pytest.mark.parametrize("origin", OTHERS)
    async def test_response_to_another_origin_does_not_name_it(
        self, site: httpx.AsyncClient, origin: str
    ) -> None:
        for method in ("GET", "OPTIONS"):
            response = await site.request(method, PREFIX, headers={"Origin": origin})
            assert response.status_code == 200
            assert "access-control-allow-origin" not in cors(response)

    async def test_response_in_an_envelope_has_the_cors_headers_outside(
        self, site: httpx.AsyncClient
    ) -> None:
        response = await site.get(f"{PREFIX}?_envelope", headers={"Origin": ORIGIN})
        assert "Access-Control-Allow-Origin" not in response.json()["headers"]
        assert response.headers["access-control-allow-origin"] == ORIGIN


class TestPreflights:
    ASKED: ClassVar = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key, x-wp-nonce",
    }

    @pytest.mark.parametrize(
        "path", [PREFIX, f"{PREFIX}/1", "/?rest_route=/fluent-cart/v2/customers", "/wp-json/"]
    )
    async def test_preflight_of_an_allowed_origin_succeeds_without_credentials(
        self, site: httpx.AsyncClient, path: str
    ) -> None:
        site.auth = httpx.Auth()
        response = await site.options(path, headers={"Origin": ORIGIN, **self.ASKED})
        assert response.status_code == 200
        allowed = cors(response)
        assert allowed["access-control-allow-origin"] == ORIGIN
        assert allowed["access-control-allow-credentials"] == "true"
        assert allowed["access-control-allow-methods"] == "OPTIONS, GET, POST, PUT, PATCH, DELETE"
        assert {*ALLOWED} <= {*allowed["access-control-allow-headers"].split(", ")}
        assert allowed["access-control-max-age"] == "7200"

    @pytest.mark.parametrize("origin", OTHERS)
    async def test_preflight_of_another_origin_fails(self, site: httpx.AsyncClient, origin: str) -> None:
        response = await site.options(PREFIX, headers={"Origin": origin, **self.ASKED})
        assert response.status_code == 400
        assert "access-control-allow-origin" not in cors(response)

    async def test_preflight_with_an_unknown_header_fails(self, site: httpx.AsyncClient) -> None:
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-own"}
        response = await site.options(PREFIX, headers={"Origin": ORIGIN, **asked})
        assert response.status_code == 400


async def test_no_response_has_cors_headers_without_the_setting(client_of: MakeClient) -> None:
    async with client_of(credentials("manager")) as client:
        for method in ("GET", "OPTIONS"):
            response = await client.request(method, "", headers={"Origin": ORIGIN})
            assert (response.status_code, cors(response)) == (200, {})
            assert "vary" not in response.headers
