"""Scripts of other sites (decision 73)."""

from collections.abc import AsyncIterator

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


def cors(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


class TestAnswers:
    @pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:5173"])
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", PREFIX, 200), ("POST", PREFIX, 422), ("GET", f"{PREFIX}/9", 404), ("PATCH", PREFIX, 405),
         ("GET", "/nothing", 404), ("GET", "/wp-json", 200)],
    )  # fmt: skip
    async def test_are_shown_to_an_allowed_origin(
        self, site: httpx.AsyncClient, origin: str, method: str, path: str, status: int
    ) -> None:
        answer = await site.request(method, path, headers={"Origin": origin})
        assert answer.status_code == status
        assert cors(answer) == {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": ", ".join(EXPOSED),
        }
        assert answer.headers.get_list("vary") == ["Origin"]

    async def test_so_are_refusals_and_failures(
        self, site: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = await site.get(PREFIX, headers={"Origin": ORIGIN}, auth=("manager", "wrong"))
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
        monkeypatch.setattr("fluent_cart.services.addresses.list_addresses", None)
        failed = await site.get(f"{PREFIX}/1/address", headers={"Origin": ORIGIN})
        assert (failed.status_code, failed.headers["access-control-allow-origin"]) == (500, ORIGIN)

    @pytest.mark.parametrize("origin", OTHERS)
    async def test_are_not_shown_to_others(self, site: httpx.AsyncClient, origin: str) -> None:
        for method in ("GET", "OPTIONS"):
            answer = await site.request(method, PREFIX, headers={"Origin": origin})
            assert (answer.status_code, cors(answer)) == (200, {})
            assert answer.headers["vary"] == "Origin"

    async def test_two_origins_are_none(self, site: httpx.AsyncClient) -> None:
        both = [("Origin", ORIGIN), ("Origin", "https://evil.example")]
        assert cors(await site.get(PREFIX, headers=both)) == {}

    async def test_vary_also_without_an_origin(self, site: httpx.AsyncClient) -> None:
        answer = await site.get(PREFIX)
        assert (cors(answer), answer.headers["vary"]) == ({}, "Origin")

    async def test_an_envelope_does_not_tell_them(self, site: httpx.AsyncClient) -> None:
        answer = await site.get(f"{PREFIX}?_envelope", headers={"Origin": ORIGIN})
        assert "Access-Control-Allow-Origin" not in answer.json()["headers"]
        assert answer.headers["access-control-allow-origin"] == ORIGIN


class TestPreflights:
    @pytest.mark.parametrize(
        "path", [PREFIX, f"{PREFIX}/1", "/?rest_route=/fluent-cart/v2/customers", "/wp-json/"]
    )
    async def test_need_no_credentials(self, site: httpx.AsyncClient, path: str) -> None:
        site.auth = httpx.Auth()
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
        answer = await site.options(path, headers={"Origin": ORIGIN, **asked})
        assert answer.status_code == 200
        allowed = cors(answer)
        assert allowed["access-control-allow-origin"] == ORIGIN
        assert allowed["access-control-allow-credentials"] == "true"
        assert allowed["access-control-allow-methods"] == "OPTIONS, GET, POST, PUT, PATCH, DELETE"
        assert allowed["access-control-allow-headers"].split(", ") == list(ALLOWED)
        assert allowed["access-control-max-age"] == "7200"
        assert answer.headers["x-request-id"]

    async def test_of_nothing_fail(self, site: httpx.AsyncClient) -> None:
        assert (await site.options("/wp-json/nothing", headers={"Origin": ORIGIN})).status_code == 404


async def test_without_a_setting_there_is_nothing_of_it(client_of: MakeClient) -> None:
    async with client_of(credentials("manager")) as client:
        for method in ("GET", "OPTIONS"):
            answer = await client.request(method, "", headers={"Origin": ORIGIN})
            assert (answer.status_code, cors(answer)) == (200, {})
            assert "vary" not in answer.headers


async def test_what_is_not_http_passes(settings: Settings) -> None:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        sent: list[str] = []

        async def send(message: dict[str, str]) -> None:
            sent.append(message["type"])

        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> dict[str, str]:
            return next(messages)

        await app({"type": "lifespan", "state": {}}, receive, send)  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
