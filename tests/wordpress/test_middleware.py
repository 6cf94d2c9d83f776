"""Addresses, methods and request ids as WordPress clients send them.

See docs/decisions.md#1-paths and #8-forms-of-input.
"""

import re
from base64 import b64encode
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from fluent_cart.http.request_id import RequestIdMiddleware
from fluent_cart.settings import Settings
from fluent_cart.wordpress.middleware import WordPressMiddleware
from fluent_cart.wordpress.paths import EXAMPLES_PREFIX, PREFIX
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials
from tests.support.errors import assert_error

ROUTE = PREFIX.removeprefix("/wp-json")


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because the tested code runs before any query."""
    return sqlite_settings


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customers 1 to 3, of whom customer 1 has an address."""
    for number in (1, 2, 3):
        await make_customer(email=f"customer{number}@example.com", first_name="Ann")
    await make_address(1)


@pytest.fixture
def site(client_of: MakeClient) -> httpx.AsyncClient:
    """A manager at the root of the site."""
    return client_of(credentials("manager"), prefix="")


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            f"{PREFIX}/1/",
            f"{PREFIX}/1//",
            f"{EXAMPLES_PREFIX}/1",
            f"{EXAMPLES_PREFIX}/1/",
            f"/?rest_route={ROUTE}/1",
            f"/?rest_route={ROUTE}/1/",
            f"/?rest_route={quote(ROUTE, safe='')}%2F1",
            f"/?rest_route={ROUTE.lstrip('/')}/1",
            f"/?_locale=user&rest_route={ROUTE}/1&_=1",
            f"/index.php?rest_route={ROUTE}/1",
            f"/index.php/?rest_route={ROUTE}/1",
            f"/index.php{PREFIX}/1",
            f"/index.php{EXAMPLES_PREFIX}/1/",
        ],
    )
    async def test_equivalent_paths_return_the_same(
        self, shop: None, site: httpx.AsyncClient, path: str
    ) -> None:
        expected = await site.get(f"{PREFIX}/1")
        answer = await site.get(path)
        assert (answer.status_code, answer.content) == (200, expected.content)
        assert answer.history == []

    @pytest.mark.parametrize("path", ["/index.php/wp-json", "/index.php/wp-json/", "/index.php?rest_route=/"])
    async def test_index_below_index_php_is_the_index(self, site: httpx.AsyncClient, path: str) -> None:
        answer, expected = await site.get(path), await site.get("/wp-json/")
        assert (answer.status_code, answer.json()) == (200, expected.json())

    @pytest.mark.parametrize(
        "path", ["/index.php", "/index.php/healthz", "/index.php/wp-jsonx", f"/index.phpx{PREFIX}/1"]
    )
    async def test_other_path_below_index_php_is_404(
        self, shop: None, site: httpx.AsyncClient, path: str
    ) -> None:
        assert (await site.get(path)).status_code == 404

    async def test_slash_after_the_collection_is_ignored(self, shop: None, site: httpx.AsyncClient) -> None:
        assert (await site.get(f"{PREFIX}/")).content == (await site.get(PREFIX)).content
        made = await site.post(f"{PREFIX}/", json={"email": "new@example.com"})
        assert made.json()["data"]["customer"]["id"] == 4

    async def test_rest_route_keeps_the_rest_of_the_query(self, shop: None, site: httpx.AsyncClient) -> None:
        query = f"rest_route={ROUTE}&per_page=1&filters[status]=active&search=customer%20ann&page=2"
        plain = f"{PREFIX}?per_page=1&filters[status]=active&search=customer%20ann&page=2"
        answer, expected = await site.get(f"/?{query}"), await site.get(plain)
        assert answer.json()["data"]["customers"][0]["id"] == 2
        assert answer.json() == expected.json()
        assert answer.headers["link"] == expected.headers["link"]

    @pytest.mark.parametrize("start", [f"{PREFIX}/1?", f"/?rest_route={ROUTE}/1&"])
    @pytest.mark.parametrize("name", ["Jos%E9", "%ED%A0%80"])
    async def test_query_that_is_not_utf_8_is_refused_and_stores_nothing(
        self, shop: None, site: httpx.AsyncClient, start: str, name: str
    ) -> None:
        answer = await site.put(f"{start}first_name={name}")
        assert_error(answer, 400, "validation_error")
        kept = await site.get(f"{PREFIX}/1")
        assert kept.json()["data"]["customer"]["first_name"] == "Ann"

    @pytest.mark.parametrize(
        "query", ["_fields=id%E9", "x=%FF", "%ED%A0%80", "_method=PUT%E9", "_envelope=&a[%E9]="]
    )
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", ""),
            ("GET", "/1"),
            ("PUT", "/1"),
            ("PUT", "/1/additional-info"),
            ("GET", "/get-stats/1"),
            ("GET", "/1/orders"),
            ("GET", "/1/address"),
            ("POST", "/1/address/make-primary"),
            ("GET", "/attachable-user"),
            ("POST", "/1/detach-user"),
            ("POST", "/do-bulk-action"),
            ("GET", "/export"),
        ],
    )
    async def test_query_that_is_not_utf_8_is_refused_on_every_route(
        self, shop: None, site: httpx.AsyncClient, method: str, path: str, query: str
    ) -> None:
        answer = await site.request(method, f"{PREFIX}{path}?{query}")
        content = answer.json()
        assert content.get("status", answer.status_code) == 400
        assert content.get("body", content)["error"]["code"] == "validation_error"

    @pytest.mark.parametrize("path", ["/1%E9", "/%E9", "/1/address%E9", "/get-stats/1%E9"])
    async def test_path_that_is_not_utf_8_is_refused(
        self, shop: None, site: httpx.AsyncClient, path: str
    ) -> None:
        assert (await site.get(f"{PREFIX}{path}")).status_code in (404, 422)

    async def test_credentials_that_are_not_utf_8_are_401(self, site: httpx.AsyncClient) -> None:
        header = "Basic " + b64encode(b"Jos\xe9:secret").decode()
        answer = await site.get(PREFIX, headers={"Authorization": header}, auth=None)
        assert answer.status_code == 401

    async def test_search_that_is_not_utf_8_is_refused(self, shop: None, site: httpx.AsyncClient) -> None:
        assert_error(await site.get(f"{PREFIX}?search=%FC"), 400, "validation_error")

    async def test_rest_route_accepts_writes(self, shop: None, site: httpx.AsyncClient) -> None:
        answer = await site.put(f"/?rest_route={ROUTE}/1", json={"first_name": "Changed"})
        assert answer.json()["data"]["customer"]["first_name"] == "Changed"

    async def test_rest_route_to_an_unknown_path_is_404(self, site: httpx.AsyncClient) -> None:
        for route in ("/nothing", "/../docs", f"{ROUTE}/1/nothing"):
            assert_error(await site.get(f"/?rest_route={route}"), 404, "rest_no_route")

    async def test_rest_route_counts_on_the_front_page_only(
        self, shop: None, site: httpx.AsyncClient
    ) -> None:
        assert (await site.get("/?rest_route=")).content == (await site.get("/docs")).content
        answer = await site.get(f"{PREFIX}/2?rest_route={ROUTE}/1")
        assert answer.json()["data"]["customer"]["id"] == 2


class TestMethods:
    @pytest.mark.parametrize("override", ["PUT", "put"])
    async def test_post_can_override_its_method(
        self, shop: None, manager: httpx.AsyncClient, override: str
    ) -> None:
        by_header = await manager.post(
            "/1", json={"first_name": "Header"}, headers={"X-HTTP-Method-Override": override}
        )
        assert by_header.json()["data"]["customer"]["first_name"] == "Header"
        by_query = await manager.post(f"/1?_method={override}", json={"first_name": "Query"})
        assert by_query.json()["data"]["customer"]["first_name"] == "Query"

    async def test_method_in_the_query_wins_over_the_header(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await manager.post("/1?_method=GET", headers={"X-HTTP-Method-Override": "PUT"})
        assert answer.json() == (await manager.get("/1")).json()

    async def test_delete_by_post_works(self, shop: None, manager: httpx.AsyncClient) -> None:
        answer = await manager.post("/1/address?_method=DELETE", data={"address_id": "1"})
        assert answer.json() == {"success": True, "message": "Address deleted successfully"}

    async def test_overridden_method_needs_its_own_permission(
        self, shop: None, viewer: httpx.AsyncClient
    ) -> None:
        assert_error(await viewer.post("/1?_method=PUT", json={}), 403, "insufficient_permissions")
        assert (await viewer.post("/1?_method=GET")).status_code == 200

    async def test_only_post_can_override_its_method(self, shop: None, manager: httpx.AsyncClient) -> None:
        answer = await manager.get(
            "/1?_method=PUT&first_name=Changed", headers={"X-HTTP-Method-Override": "PUT"}
        )
        assert answer.json()["data"]["customer"]["first_name"] == "Ann"

    @pytest.mark.parametrize("override", ["", "POST", "HEAD", "TRACE", "CONNECT", "x", "%00"])
    async def test_override_with_another_method_than_a_write_is_ignored(
        self, shop: None, manager: httpx.AsyncClient, override: str
    ) -> None:
        answer = await manager.post(f"?_method={override}", json={"email": "new@example.com"})
        assert answer.json()["data"]["customer"]["id"] == 4

    async def test_override_with_an_unknown_method_is_405(self, manager: httpx.AsyncClient) -> None:
        answer = await manager.post("/1/orders?_method=DELETE")
        assert_error(answer, 405, "rest_no_route")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


class TestHead:
    @pytest.mark.parametrize("path", ["", "/1", "/1/address", "/999", "/abc", "/1/detach-user"])
    async def test_head_is_get_without_its_body(
        self, shop: None, manager: httpx.AsyncClient, path: str
    ) -> None:
        answer, expected = await manager.head(path), await manager.get(path)
        assert (answer.status_code, answer.content) == (expected.status_code, b"")
        assert expected.content
        names = ("content-length", "content-type", "x-wp-total", "allow", "cache-control")
        assert [answer.headers.get(name) for name in names] == [expected.headers.get(name) for name in names]

    async def test_head_sends_no_byte_of_the_body(self, shared_app: FastAPI) -> None:
        """Below the HTTP client, which would hide a body that should not be there."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise NotImplementedError

        scope: Scope = {
            "type": "http",
            "method": "HEAD",
            "path": "/healthz",
            "query_string": b"",
            "headers": [],
        }
        await shared_app(scope, receive, send)
        assert sent[0]["status"] == 200
        assert [message.get("body") for message in sent[1:]] == [b""]

    async def test_head_without_credentials_is_401(self, anonymous: httpx.AsyncClient) -> None:
        answer = await anonymous.head("/1")
        assert (answer.status_code, answer.content) == (401, b"")

    async def test_head_works_on_pages_outside_the_api(self, site: httpx.AsyncClient) -> None:
        assert (await site.head("/docs")).status_code == 200


class TestRequestIds:
    @pytest.mark.parametrize("given", ["a", "trace-1.2_3", "x" * 64])
    async def test_harmless_request_id_is_kept(self, anonymous: httpx.AsyncClient, given: str) -> None:
        answer = await anonymous.get("/1", headers={"X-Request-Id": given})
        assert answer.headers.get_list("x-request-id") == [given]

    @pytest.mark.parametrize(
        "given", [None, "", "x" * 65, "a b", "a;b", "<script>", "a\u00e4", "a\r\nX-Injected: 1"]
    )
    async def test_unsafe_request_id_is_replaced(
        self, anonymous: httpx.AsyncClient, given: str | None
    ) -> None:
        headers = {} if given is None else {b"X-Request-Id": given.encode()}
        answer = await anonymous.get("/1", headers=headers)
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert "x-injected" not in answer.headers

    async def test_every_answer_has_the_common_headers(self, shop: None, site: httpx.AsyncClient) -> None:
        for path in (f"{PREFIX}/1", f"{PREFIX}/999", "/nothing", "/healthz"):
            headers = (await site.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store, private"

    async def test_error_after_the_response_began_sends_no_second_response(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def broken(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError("too late")

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise NotImplementedError

        with pytest.raises(RuntimeError, match="too late"):
            await RequestIdMiddleware(broken)({"type": "http", "method": "GET", "headers": []}, receive, send)
        assert [message["type"] for message in sent] == ["http.response.start"]
        assert [record.message.startswith("Unexpected error") for record in caplog.records] == [True]


async def test_other_protocols_pass_unchanged(shared_app: FastAPI) -> None:
    seen: list[Scope] = []

    async def inner(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise NotImplementedError

    async def send(_message: Message) -> None:
        raise NotImplementedError

    lifespan: Scope = {"type": "lifespan"}
    for middleware in (WordPressMiddleware, RequestIdMiddleware):
        await middleware(inner)(lifespan, receive, send)
    assert seen == [lifespan, lifespan]


class TestControlCharacters:
    @pytest.mark.parametrize("character", ["%0A", "%0D", "%00", "%7F", "%1F", "%09"])
    @pytest.mark.parametrize(
        "path",
        [
            f"{PREFIX}", f"{PREFIX}/1/orders", f"{PREFIX}/1/address", "/docs", "/healthz", "/wp-json",
            "/metrics",
        ],
    )  # fmt: skip
    async def test_path_with_a_control_character_at_its_end_is_not_found(
        self, manager: httpx.AsyncClient, path: str, character: str
    ) -> None:
        answer = await manager.get(f"http://testserver{path}{character}?per_page=1")
        assert_error(answer, 404, "rest_no_route")

    @pytest.mark.parametrize("name", ["attachable-user", "export", "1"])
    async def test_path_with_a_line_feed_at_its_end_is_no_customer_id(
        self, manager: httpx.AsyncClient, name: str
    ) -> None:
        assert_error(await manager.get(f"/{name}%0A"), 422, "validation_error")

    async def test_rest_route_with_a_line_feed_is_not_found(self, manager: httpx.AsyncClient) -> None:
        answer = await manager.get("http://testserver/?rest_route=/fluent-cart/v2/customers%0A&per_page=1")
        assert_error(answer, 404, "rest_no_route")
