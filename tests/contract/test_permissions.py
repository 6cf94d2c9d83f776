"""The permissions of every operation of the OpenAPI document. A new route is tested because it exists."""

from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, Route

from fluent_cart.app import MissingPolicy, create_app, require_policies
from fluent_cart.auth import policies
from fluent_cart.auth.dependencies import current_user
from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database import Database
from fluent_cart.enums import BulkActionName, Permission
from fluent_cart.http.routing import ApiRouter
from fluent_cart.models import Address, Customer, Order, User
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import ROLES, MakeAddress, MakeClient, MakeCustomer, credentials, rows
from tests.support.errors import assert_error
from tests.support.openapi import openapi_document

# The table of permissions, written a second time, because the code's own tables are under test.
TABLE = """
                        administrator  super_admin  manager  worker  accountant  subscriber
list_customers          yes            yes          yes      yes     yes         no
export_customers        yes            yes          yes      yes     yes         no
get_customer            yes            yes          yes      yes     yes         no
get_customer_stats      yes            yes          yes      yes     yes         no
list_customer_orders    yes            yes          yes      yes     yes         no
list_addresses          yes            yes          yes      yes     yes         no
list_orders_as_the_plugin yes          yes          yes      yes     yes         no
create_customer         yes            yes          yes      no      no          no
update_customer         yes            yes          yes      no      no          no
update_additional_info  yes            yes          yes      no      no          no
create_address          yes            yes          yes      no      no          no
update_address          yes            yes          yes      no      no          no
make_address_primary    yes            yes          yes      no      no          no
delete_address          yes            yes          yes      no      no          no
list_attachable_users   yes            yes          yes      no      no          no
attach_user             yes            yes          yes      no      no          no
detach_user             yes            yes          yes      no      no          no
patch_customer          yes            yes          yes      no      no          no
list_customer_changes   yes            yes          yes      yes     yes         no
list_duplicates         yes            yes          yes      yes     yes         no
delete_customer         yes            yes          yes      no      no          no
batch_customers         yes            yes          yes      no      no          no
merge_customers         yes            yes          yes      no      no          no
get_personal_data       yes            yes          yes      no      no          no
erase_customer          yes            yes          yes      no      no          no
recalculate_lifetime_value yes         yes          yes      no      no          no
bulk_update_status      yes            yes          yes      no      no          no
bulk_delete             yes            yes          yes      no      no          no
bulk_export             yes            yes          yes      no      no          no
"""
HEADER, *LINES = [line.split() for line in TABLE.strip().splitlines()]
MAY = {row: dict(zip(HEADER, cells, strict=True)) for row, *cells in LINES}


def bulk(action: str) -> dict[str, Any]:
    return {"action": action, "customer_ids": [1], "data": {"status": "inactive"}}


BODIES: dict[str, Any] = {
    "create_customer": {"email": "new@example.com"},
    "update_customer": {"first_name": "Changed"},
    "patch_customer": {"first_name": "Changed"},
    "update_additional_info": {"changed": True},
    "create_address": {"address_1": "2 Side St", "city": "Rome", "country": "IT"},
    "update_address": {"address_id": 1, "city": "Changed"},
    "make_address_primary": {"address_id": 2},
    "delete_address": {"address_id": 2},
    "attach_user": {"user_id": 1},
    # A preview, so that it can be sent more than once.
    "merge_customers": {"from_id": 2, "user_id": None, "preview": True},
    "do_bulk_action": bulk("update_status"),
    "batch_customers": {"create": [{"email": "batch@example.com"}], "update": [{"id": 1, "phone": "1"}]},
}
JSON, FORM, XML = (
    {"Content-Type": kind}
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/xml; charset=utf-16")
)
# Inputs of requests without the permission: ids, of which 1 exists, and bodies with their headers.
IDS = ("1", "999", "abc", "0", "-1", "1_0", "9" * 30)
UNWANTED: tuple[tuple[bytes, dict[str, str]], ...] = (
    (b"", {}),
    (b"", JSON),
    (b"null", JSON),
    (b'{"address_id": 999, "user_id": 999}', JSON),
    (b'{"broken', JSON),
    (b'{"broken', {}),
    (b"\xff\xfe", JSON),
    (b"[" * 100_000, JSON),
    (b"x" * 2**21, JSON),
    (b"x=" + b"x" * 2**21, FORM),
    (b"email=new%40example.com&address_id=1&user_id=1&first_name=Changed", FORM),
    (b"action=delete&customer_ids[]=1", FORM),
    (b"%ff&x[=1", FORM),
    (b"<a/>", XML),
    (b"{}", {**JSON, "Content-Encoding": "gzip"}),
)


STRANGERS = (
    (None, 401, "authentication_required"),
    (httpx.BasicAuth("manager", "wrong"), 401, "authentication_failed"),
    (httpx.BasicAuth("unknown", "wrong"), 401, "authentication_failed"),
    (credentials("subscriber"), 403, "insufficient_permissions"),
)


def operations() -> list[tuple[str, str, str]]:
    """Return method, path below the prefix, and id of every documented operation."""
    document = openapi_document(create_app(Settings(database_url="sqlite:///unused.db", _env_file=None)))
    return [
        (method.upper(), path.removeprefix(PREFIX), operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


OPERATIONS = operations()
every_operation = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=[operation for _, _, operation in OPERATIONS]
)
# Routes of the live plugin and of WordPress beyond the contract (docs/decisions.md#70-wordpress-indexes,
# #71-profile-of-a-user, #75-routes-of-the-plugin).
EXTENSIONS = [
    ("GET", "/{customerId}/order", "list_orders_as_the_plugin"),
    ("POST", "/{customerId}/recalculate-ltv", "recalculate_lifetime_value"),
]
PROFILE = "/wp-json/wp/v2/users/me"
SETUP_CHECKS = ("/wp-json/fluent-cart/v2/app/init", "/wp-json/fluent-cart/v2/labels")
PUBLIC = ("/wp-json", "/wp-json/fluent-cart/v2", "/wp-json/fluent-cart/v1", "/wp-json/wp/v2")
every_route = pytest.mark.parametrize(
    ("method", "path", "operation"),
    OPERATIONS + EXTENSIONS,
    ids=[operation for _, _, operation in OPERATIONS + EXTENSIONS],
)


def url(path: str, customer_id: object = 1) -> str:
    return path.replace("{customerId}", str(customer_id)).replace("{customer}", str(customer_id))


async def send(
    client: httpx.AsyncClient, method: str, path: str, operation: str, customer_id: object = 1
) -> httpx.Response:
    return await client.request(method, url(path, customer_id), json=BODIES.get(operation))


def whole(response: httpx.Response) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """Return all of an answer but the id of its request, which is always new."""
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "x-request-id"]
    return response.status_code, response.content, tuple(headers)


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because permissions are checked before any query."""
    return sqlite_settings


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customer 1 with the addresses 1 and 2, and customer 2."""
    customer = await make_customer(email="customer@example.com")
    await make_customer(email="another@shop.example")
    await make_address(customer["id"])
    await make_address(customer["id"], type="shipping")


async def everything(database: Database) -> list[Any]:
    return [await database.scan(rows, table) for table in (Customer, Address, Order, User)]


def test_table_names_every_operation_action_and_role() -> None:
    actions = [f"bulk_{action}" for action in BulkActionName]
    routes = OPERATIONS + EXTENSIONS
    operations = [operation for *_, operation in routes if operation != "do_bulk_action"]
    assert sorted(MAY) == sorted(operations + actions)
    assert list(ROLES) == HEADER
    assert {cell for cells in MAY.values() for cell in cells.values()} == {"yes", "no"}


def test_every_mounted_route_is_documented(shared_app: FastAPI) -> None:
    mounted = {
        (method, route.path or "")
        for route in iter_route_contexts(shared_app.routes)
        if (route.path or "").startswith("/wp-json")
        for method in route.methods or ()
    }
    described = {(method, path) for method, path in mounted if method != "OPTIONS"}
    assert described == {
        *((method, PREFIX + path) for method, path, _ in OPERATIONS),
        *((method, PREFIX + path) for method, path, _ in EXTENSIONS),
        *(("GET", path) for path in (*PUBLIC, *SETUP_CHECKS)),
        ("GET", PROFILE),
    }
    assert (len(OPERATIONS), len(described)) == (25, 25 + 2 + 4 + 2 + 1)
    assert mounted - described == {("OPTIONS", path) for _, path in described}


class TestStrangers:
    """A caller without the permission learns nothing from the response: no existence, no input error."""

    @every_route
    async def test_request_without_permission_gets_the_same_bytes_for_any_target(
        self, shop: None, database: Database, client_of: MakeClient, method: str, path: str, operation: str
    ) -> None:
        before = await everything(database)
        for auth, status, code in STRANGERS:
            async with client_of(auth) as client:
                answers = [await send(client, method, path, operation, customer_id) for customer_id in IDS]
                for body, headers in UNWANTED:
                    answers.append(await client.request(method, url(path), content=body, headers=headers))
                for query in ("page=0&filters[x]=1", "address_id=1&user_id=1", "email=a%00"):
                    answers.append(await client.request(method, f"{url(path)}?{query}"))
            assert_error(answers[0], status, code)
            challenge = 'Basic realm="FluentCart", charset="UTF-8"' if status == 401 else None
            assert answers[0].headers.get("www-authenticate") == challenge
            assert {whole(answer) for answer in answers} == {whole(answers[0])}
        assert await everything(database) == before


class TestRoles:
    @pytest.mark.parametrize(
        ("row", "role"), [(row, role) for row in MAY for role in ROLES if MAY[row][role] == "yes"]
    )
    async def test_role_with_the_permission_is_answered(
        self, shop: None, client_of: MakeClient, row: str, role: str
    ) -> None:
        """Requests without the permission, and version 1, are in test_matrix."""
        operation = "do_bulk_action" if row.startswith("bulk_") else row
        body = bulk(row.removeprefix("bulk_")) if row.startswith("bulk_") else BODIES.get(row)
        routes = OPERATIONS + EXTENSIONS
        [(method, path)] = [(method, path) for method, path, name in routes if name == operation]
        async with client_of(credentials(role)) as client:
            response = await client.request(method, url(path), json=body)
        is_file = "content-disposition" in response.headers
        assert (response.status_code, is_file or response.json()["success"]) == (200, True)
        assert is_file == (row == "export_customers")

    async def test_bulk_delete_needs_delete_on_top_of_manage(
        self, shop: None, database: Database, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No role of the shop has one without the other, so this one is made up."""
        only_manage = {**ROLE_PERMISSIONS, "worker": frozenset({Permission.MANAGE})}
        monkeypatch.setattr(policies, "ROLE_PERMISSIONS", only_manage)
        before = await everything(database)
        async with client_of(credentials("worker")) as client:
            refused = await client.post("/do-bulk-action", json={"action": "delete", "customer_ids": [1]})
        assert_error(refused, 403, "insufficient_permissions")
        assert await everything(database) == before

    async def test_batch_needs_delete_only_to_delete(
        self, shop: None, database: Database, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        only_manage = {**ROLE_PERMISSIONS, "worker": frozenset({Permission.MANAGE})}
        monkeypatch.setattr(policies, "ROLE_PERMISSIONS", only_manage)
        before = await everything(database)
        batch = BODIES["batch_customers"]
        async with client_of(credentials("worker")) as client:
            refused = await client.post("/batch", json={**batch, "delete": [1]})
            assert_error(refused, 403, "insufficient_permissions")
            assert await everything(database) == before
            allowed = await client.post("/batch", json={**batch, "delete": []})
        assert allowed.json()["data"]["processed"] == 2


class TestUndeclaredRoutes:
    """The server does not start with a route that names no permission.

    See docs/decisions.md#21-permissions-and-roles.
    """

    async def forgotten(self) -> Response:
        """A route without a policy."""
        raise NotImplementedError

    def test_router_with_an_undeclared_route_is_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        router = ApiRouter(tags=["forgotten"])
        router.get("/forgotten")(self.forgotten)
        monkeypatch.setattr("fluent_cart.app.ROUTERS", (router,))
        with pytest.raises(MissingPolicy, match=f"{PREFIX}/forgotten"):
            create_app(Settings(database_url="sqlite:///unused.db", _env_file=None))

    def test_dependency_that_is_not_a_policy_does_not_count_as_a_declaration(self) -> None:
        app = FastAPI()
        app.get("/wp-json/forgotten", dependencies=[Depends(current_user)])(self.forgotten)
        with pytest.raises(MissingPolicy, match="/wp-json/forgotten"):
            require_policies(app)

    @pytest.mark.parametrize(
        "route", [Route("/wp-json/forgotten", FastAPI()), Mount("/wp-json/forgotten", FastAPI())],
        ids=["Route", "Mount"],
    )  # fmt: skip
    def test_route_of_a_kind_without_policies_is_rejected(self, route: BaseRoute) -> None:
        app = FastAPI()
        app.router.routes.append(route)
        with pytest.raises(MissingPolicy, match="/wp-json/forgotten"):
            require_policies(app)

    @pytest.mark.parametrize("policy", [policies.allow_any, policies.authenticated, policies.can_view])
    def test_any_policy_counts_as_a_declaration(self, policy: Any) -> None:
        app = FastAPI()
        app.get("/wp-json/declared", dependencies=[policy])(self.forgotten)
        require_policies(app)

    def test_routes_outside_the_api_need_no_policy(self, shared_app: FastAPI) -> None:
        require_policies(shared_app)
        app = FastAPI()
        app.get("/elsewhere")(self.forgotten)
        require_policies(app)
