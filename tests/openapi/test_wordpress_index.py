"""The indexes and OPTIONS.

See docs/decisions.md#70-wordpress-indexes.
"""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fluent_cart.app import create_app
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import EXAMPLES_PREFIX, PREFIX
from tests.conftest import MakeClient, credentials
from tests.contract.test_permissions import EXTENSIONS, OPERATIONS, PROFILE, PUBLIC, SETUP_CHECKS

ROUTES = [(method, PREFIX + path) for method, path, _ in OPERATIONS + EXTENSIONS] + [("GET", PROFILE)]


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because no test runs a query."""
    return sqlite_settings


@pytest.fixture
def site(client_of: MakeClient) -> httpx.AsyncClient:
    """A stranger at the root of the site."""
    return client_of(prefix="")


def named(path: str) -> str:
    """Return the name under which WordPress lists a route."""
    return re.sub(r"{(\w+)}", r"(?P<\1>[\\d]+)", path.removeprefix("/wp-json")) or "/"


class TestIndex:
    async def test_index_describes_the_site(self, site: httpx.AsyncClient) -> None:
        index = (await site.get("/wp-json/")).json()
        assert {name: value for name, value in index.items() if name != "routes"} == {
            "name": "FluentCart Customers API",
            "description": "Customers of a FluentCart shop",
            "url": "http://shop.example",
            "home": "http://shop.example",
            "gmt_offset": "0",
            "timezone_string": "UTC",
            "namespaces": ["fluent-cart/v2", "fluent-cart/v1", "wp/v2"],
            "authentication": {
                "application-passwords": {
                    "endpoints": {"authorization": "http://shop.example/wp-admin/authorize-application.php"}
                }
            },
            "_links": {"help": [{"href": "https://developer.wordpress.org/rest-api/"}]},
        }

    async def test_index_lists_every_route(self, site: httpx.AsyncClient) -> None:
        routes = (await site.get("/wp-json/")).json()["routes"]
        listed = {(method, name) for name, route in routes.items() for method in route["methods"]}
        examples = [(method, path.replace(PREFIX, EXAMPLES_PREFIX)) for method, path in ROUTES]
        public = [("GET", path) for path in (*PUBLIC, *SETUP_CHECKS)]
        assert listed == {(method, named(path)) for method, path in [*ROUTES, *examples, *public]}
        for route in routes.values():
            methods = [method for endpoint in route["endpoints"] for method in endpoint["methods"]]
            assert methods == route["methods"]

    async def test_index_lists_a_route_as_wordpress_does(self, site: httpx.AsyncClient) -> None:
        routes = (await site.get("/wp-json/")).json()["routes"]
        customers = routes["/fluent-cart/v2/customers"]
        assert list(customers) == ["namespace", "methods", "endpoints", "_links"]
        assert customers["_links"] == {"self": [{"href": f"http://shop.example{PREFIX}"}]}
        [listing, creating] = customers["endpoints"]
        assert listing["args"]["per_page"] == {
            "type": "integer", "minimum": 1, "maximum": 100, "default": 10,
            "description": "Items per page (max 100)", "required": False,
        }  # fmt: skip
        assert "'active', 'inactive'" in str(listing["args"]["filters"])
        assert creating["args"]["email"]["required"] is True
        one = routes[r"/fluent-cart/v2/customers/(?P<customerId>[\d]+)"]
        assert "_links" not in one
        assert one["endpoints"][0]["args"]["customerId"]["required"] is True

    async def test_index_has_no_references_to_schemas(self, site: httpx.AsyncClient) -> None:
        text = (await site.get("/wp-json/")).text
        assert "$ref" not in text
        assert '"title"' not in text

    async def test_request_headers_are_not_listed_as_arguments(self, site: httpx.AsyncClient) -> None:
        text = (await site.get("/wp-json/")).text
        assert "Idempotency" not in text

    async def test_index_is_found_at_each_of_its_addresses(self, site: httpx.AsyncClient) -> None:
        for path in ("/wp-json", "/wp-json//", "/?rest_route=/", "/?rest_route=//"):
            assert (await site.get(path)).content == (await site.get("/wp-json/")).content

    async def test_index_supports_fields_and_head(self, site: httpx.AsyncClient) -> None:
        answer = await site.get("/wp-json/?_fields=name,namespaces,authentication.application-passwords")
        assert list(answer.json()) == ["name", "namespaces", "authentication"]
        head = await site.head("/wp-json/")
        assert (head.status_code, head.content) == (200, b"")

    async def test_index_ignores_credentials(self, client_of: MakeClient) -> None:
        async with client_of(httpx.BasicAuth("nobody", "wrong"), prefix="") as wrong:
            assert (await wrong.get("/wp-json/")).status_code == 200


class TestNamespaces:
    @pytest.mark.parametrize("namespace", ["fluent-cart/v2", "fluent-cart/v1", "wp/v2"])
    async def test_namespaces_list_their_own_routes(self, site: httpx.AsyncClient, namespace: str) -> None:
        index = (await site.get("/wp-json/")).json()
        answer = (await site.get(f"/wp-json/{namespace}/")).json()
        own = {name: route for name, route in index["routes"].items() if route["namespace"] == namespace}
        assert answer == {
            "namespace": namespace,
            "routes": own,
            "_links": {"up": [{"href": "http://shop.example/wp-json/"}]},
        }
        checks = len(SETUP_CHECKS) if namespace == "fluent-cart/v2" else 0
        expected = 2 if namespace == "wp/v2" else 1 + len({path for _, path in ROUTES[:-1]}) + checks
        assert len(own) == expected

    async def test_example_namespaces_have_their_own_addresses(self, site: httpx.AsyncClient) -> None:
        routes = (await site.get("/wp-json/fluent-cart/v1")).json()["routes"]
        for name, route in routes.items():
            for link in route.get("_links", {}).get("self", []):
                assert link["href"] == f"http://shop.example/wp-json{name}"


class TestAddresses:
    @pytest.mark.parametrize(
        ("host", "shown"),
        [
            ("shop.example", "shop.example"),
            ("shop.example:8080", "shop.example:8080"),
            ("[::1]:8000", "[::1]:8000"),
            ('evil.example">', "localhost"),
            ("evil.example>; rel=x, <http://other", "localhost"),
            ("a/b", "localhost"),
            ("user@shop.example", "localhost"),
            ("sh\u00f6p.example", "localhost"),
            ("x" * 254, "localhost"),
            ("", "localhost"),
        ],
    )
    async def test_addresses_begin_with_a_host_that_can_be_one(
        self, site: httpx.AsyncClient, host: str, shown: str
    ) -> None:
        headers = [(b"Host", host.encode("latin-1"))]
        assert (await site.get("/wp-json/", headers=headers)).json()["url"] == f"http://{shown}"
        root = await site.get("/", headers=headers)
        assert root.headers["link"] == f'<http://{shown}/wp-json/>; rel="https://api.w.org/"'
        users = await site.get(
            f"{PREFIX}/attachable-user?per_page=1", headers=headers, auth=credentials("manager")
        )
        address = f"http://{shown}{PREFIX}/attachable-user?per_page=1&page=2"
        assert users.headers["link"] == f'<{address}>; rel="next"'

    async def test_addresses_have_the_callers_scheme(self, shared_app: FastAPI) -> None:
        transport = httpx.ASGITransport(shared_app)
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client:
            index = (await client.get("/wp-json/")).json()
        assert index["home"] == "https://shop.example"
        assert index["routes"]["/wp/v2/users/me"]["_links"]["self"] == [
            {"href": "https://shop.example/wp-json/wp/v2/users/me"}
        ]

    async def test_docs_page_has_a_link_header_to_the_api(self, site: httpx.AsyncClient) -> None:
        for path in ("/", "/docs"):
            link = (await site.get(path)).headers["link"]
            assert link == '<http://shop.example/wp-json/>; rel="https://api.w.org/"'


class TestOptions:
    async def test_options_returns_the_description_of_a_route(self, site: httpx.AsyncClient) -> None:
        routes = (await site.get("/wp-json/")).json()["routes"]
        for path in {*(path for _, path in ROUTES), *PUBLIC}:
            url = re.sub(r"{\w+}", "1", path)
            answer = await site.options(url)
            assert (answer.status_code, answer.json()) == (200, routes[named(path)]), path
            methods = {*answer.json()["methods"], "OPTIONS"}
            methods |= {"HEAD"} if "GET" in methods else set()
            assert answer.headers["allow"] == ", ".join(sorted(methods))
            assert (await site.options(f"{url}/")).content == answer.content

    async def test_options_of_example_paths_is_the_same(self, site: httpx.AsyncClient) -> None:
        assert (await site.options(EXAMPLES_PREFIX)).content == (await site.options(PREFIX)).content

    async def test_post_cannot_override_to_options(self, site: httpx.AsyncClient) -> None:
        answer = await site.post(f"{PREFIX}/1/detach-user?_method=OPTIONS")
        assert answer.status_code == 401


class TestAllow:
    async def test_allow_header_is_on_every_response_of_a_route(
        self, client_of: MakeClient, manager: httpx.AsyncClient, anonymous: httpx.AsyncClient
    ) -> None:
        for client, path, status in (
            (manager, "", 200), (anonymous, "", 401), (manager, "?page=0", 422),
        ):  # fmt: skip
            answer = await client.get(path)
            assert answer.status_code == status
            assert answer.headers.get_list("allow") == ["GET, HEAD, OPTIONS, POST"]
        wrong = await manager.patch("")
        assert wrong.status_code == 405
        assert wrong.headers.get_list("allow") == ["GET, HEAD, OPTIONS, POST"]

    async def test_allow_header_is_on_no_other_response(self, site: httpx.AsyncClient) -> None:
        for path in ("/wp-json/nothing", "/healthz", "/docs"):
            assert "allow" not in (await site.get(path)).headers


def test_index_is_built_at_the_first_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start has other things to do, and so has each request."""
    described: list[Any] = []
    monkeypatch.setattr("fluent_cart.openapi.wordpress_index.get_openapi", described.append)
    create_app(Settings(database_url="sqlite:///unused.db", _env_file=None))
    assert described == []


async def test_index_is_built_once(sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    def counted(**arguments: Any) -> dict[str, Any]:
        nonlocal count
        count += 1
        return get_openapi(**arguments)

    monkeypatch.setattr("fluent_cart.openapi.wordpress_index.get_openapi", counted)
    app = create_app(sqlite_settings)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://shop.example"
    ) as client:
        for path in ("/wp-json/", "/wp-json/wp/v2", "/wp-json/"):
            await client.get(path)
        await client.options(PREFIX)
    assert count == 1
