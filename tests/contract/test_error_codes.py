"""Reach each documented error of each operation, and compare the whole envelope."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.auth.limits import RateLimiter, create_limits
from fluent_cart.database import create_database
from fluent_cart.models import Customer
from fluent_cart.schemas.batch import TOO_MANY
from fluent_cart.services import addresses
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import EXAMPLES_PREFIX, PREFIX
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials, login_password_of, rows
from tests.contract.test_permissions import BODIES, OPERATIONS, STRANGERS, every_operation, send, url
from tests.support.errors import assert_error
from tests.support.login import sign_in, with_nonce
from tests.support.openapi import openapi_document

# Tested below on a server that is broken on purpose.
ELSEWHERE = {(500, "internal_error"), (503, "service_unavailable")}
# Only while another request is being processed: tested in test_concurrency.
IN_FLIGHT = (409, "idempotency_key_in_use")
FAILED, LARGE = "Request data validation failed", "The request body is larger than 1 MiB"
UNREADABLE = "The request body is not readable JSON or form data"
MANAGER = 3
ATTEMPTS = "Too many wrong passwords for this user name or from this address. Try again later"
REQUIRED, NUMBER = ["This field is required"], ["Must be a whole number in the allowed range"]
ITSELF = "Must be the id of another customer"
STATUS, TOO_SMALL = ["Input should be 'active' or 'inactive'"], ["Input should be greater than or equal to 1"]

# Operation, input (a query if it is a text, otherwise a body), and the expected error.
Case = tuple[str, Any, int, str, str, dict[str, list[str]] | None]
CASES: list[Case] = [
    (
        "list_customers",
        "per_page=101&page=1_0&order_by=x&filters[status]=gone&filters[stauts]=active&filters[date_to]=x",
        422, "validation_error", FAILED,
        {
            "per_page": ["Input should be less than or equal to 100"],
            "page": NUMBER,
            "order_by": [
                "Input should be 'id', 'email', 'first_name', 'last_name', 'status', 'total_spent',"
                " 'order_count', 'created_at', 'updated_at', 'first_purchase_date', 'last_purchase_date'"
                " or 'aov'"
            ],
            "filters.status": STATUS,
            "filters.date_to": ["Must be a date such as 2024-01-31 or an RFC 3339 time"],
            "filters.stauts": ["Unknown name"],
        },
    ),
    (
        "export_customers", "format=xml&filters[status]=gone",
        422, "validation_error", FAILED,
        {"format": ["Input should be 'csv' or 'ndjson'"], "filters.status": STATUS},
    ),
    (
        "list_customer_changes", "wait=26",
        422, "validation_error", FAILED, {"wait": ["Input should be less than or equal to 25"]},
    ),
    (
        "list_customer_changes", f"after={'0' * 32}-0-0", 410, "cursor_expired",
        "The changes after this cursor are not stored any more. "
        "Read the whole list, then the changes from now on",
        None,
    ),
    (
        "list_duplicates", "reason=x&cursor=x&per_page=0", 422, "validation_error", FAILED,
        {
            "reason": ["Input should be 'plus_address', 'phone' or 'name_and_postcode'"],
            "cursor": ["Must be `next_cursor` of an earlier response"],
            "per_page": TOO_SMALL,
        },
    ),
    ("list_attachable_users", "page=0", 422, "validation_error", FAILED, {"page": TOO_SMALL}),
    ("list_customer_orders", "page=0", 422, "validation_error", FAILED, {"page": TOO_SMALL}),
    ("create_customer", {}, 422, "validation_error", FAILED, {"email": REQUIRED}),
    ("create_customer", {"email": "no address"}, 422, "invalid_email", "The email address is invalid", None),
    (
        "create_customer", {"email": "Taken@Example.com"},
        422, "invalid_email", "The email address belongs to another customer", None,
    ),
    (
        "create_customer", {"email": "no address", "status": "gone", "first_name": 1, "additional_info": [1]},
        422, "validation_error", FAILED,
        {
            "email": ["Must be a valid email address"],
            "first_name": ["Must be text"],
            "status": STATUS,
            "additional_info": ["Must be an object"],
        },
    ),
    ("update_customer", {"email": "no address"}, 422, "invalid_email", "The email address is invalid", None),
    (
        "update_customer", {"email": "Taken@Example.com"},
        422, "invalid_email", "The email address belongs to another customer", None,
    ),
    (
        "update_customer", {"email": "no address", "first_name": None},
        422, "validation_error", FAILED,
        {"email": ["Must be a valid email address"], "first_name": ["Must be text"]},
    ),
    ("patch_customer", {"email": "no address"}, 422, "invalid_email", "The email address is invalid", None),
    (
        "patch_customer", {"email": "Taken@Example.com"},
        422, "invalid_email", "The email address belongs to another customer", None,
    ),
    (
        "patch_customer", {"first_name": None},
        422, "validation_error", FAILED, {"first_name": ["Must be text"]},
    ),
    ("update_additional_info", [1], 422, "validation_error", FAILED, {"body": ["Must be an object"]}),
    (
        "create_address", {"address_1": " ", "country": "XX", "type": "home", "is_primary": "maybe"},
        422, "validation_error", FAILED,
        {
            "type": ["Input should be 'billing' or 'shipping'"],
            "is_primary": ["Must be true or false"],
            "address_1": ["String should have at least 1 character"],
            "city": REQUIRED,
            "country": ["Must be a country code of two letters (ISO 3166-1)"],
        },
    ),
    ("delete_address", {}, 422, "validation_error", FAILED, {"address_id": REQUIRED}),
    ("merge_customers", {"from_id": 1}, 422, "validation_error", FAILED, {"from_id": [ITSELF]}),
    ("merge_customers", {"preview": 2}, 422, "validation_error", FAILED, {
        "from_id": REQUIRED, "preview": ["Must be true or false"],
    }),
    ("merge_customers", {"from_id": 999}, 404, "customer_not_found", "Customer with ID 999 not found", None),
    (
        "merge_customers", {"from_id": 2, "user_id": 1}, 422, "invalid_user",
        "The user is attached to neither customer. Send the user_id of one of the two", None,
    ),
    ("attach_user", {"user_id": True}, 422, "validation_error", FAILED, {"user_id": NUMBER}),
    ("attach_user", {"user_id": 999}, 422, "invalid_user", "WordPress user with ID 999 not found", None),
    ("attach_user", {"user_id": 2}, 422, "invalid_user", "The user is attached to another customer", None),
    (
        "do_bulk_action", {"action": "update_status", "customer_ids": ["x", 0], "data": {"status": "gone"}},
        422, "validation_error", FAILED,
        {"customer_ids.0": NUMBER, "customer_ids.1": TOO_SMALL, "data.status": STATUS},
    ),
    (
        "do_bulk_action", {"action": "update_status", "customer_ids": []},
        422, "validation_error", FAILED,
        {
            "customer_ids": ["List should have at least 1 item after validation, not 0"],
            "data.status": REQUIRED,
        },
    ),
    (
        "batch_customers", {"create": {"a": {}}, "update": ["x"], "delete": ["x", 0], "creates": []},
        422, "validation_error", FAILED,
        {
            "create": ["Must be a list"], "update.0": ["Must be an object"], "delete.0": NUMBER,
            "delete.1": TOO_SMALL, "creates": ["Unknown name"],
        },
    ),
    (
        "batch_customers", {"create": [{}], "delete": [*range(1, 101)]},
        422, "validation_error", FAILED, {"body": [TOO_MANY]},
    ),
]  # fmt: skip
for _operation in ("update_address", "make_address_primary", "delete_address"):
    CASES += [
        (_operation, {"address_id": "x"}, 422, "validation_error", FAILED, {"address_id": NUMBER}),
        # Address 3 exists, but it is another customer's: the answer is the same as for 999.
        (_operation, {"address_id": 3}, 404, "address_not_found", "Address with ID 3 not found", None),
        (_operation, {"address_id": 999}, 404, "address_not_found", "Address with ID 999 not found", None),
    ]

# Input whose answer is kept, if test_permissions sends a preview.
KEPT_BODIES = {"merge_customers": {"from_id": 2}}
# Other input than that.
OTHER_BODIES: dict[str, Any] = {
    "create_customer": {"email": "another@example.com"},
    "create_address": {"address_1": "3 Side St", "city": "Rome", "country": "IT"},
    "make_address_primary": {"address_id": 1},
    "attach_user": {"user_id": 3},
    "merge_customers": {"from_id": 2, "preview": True},
    "do_bulk_action": {"action": "export", "customer_ids": [1]},
    "batch_customers": {"delete": [999]},
}


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress, manager: httpx.AsyncClient) -> None:
    """Customer 1 has the addresses 1 and 2, customer 2 has address 3 and user 2. Customer 3 is merged."""
    for email in ("customer@example.com", "taken@example.com"):
        await make_customer(email=email)
    for customer_id in (1, 1, 2):
        await make_address(customer_id)
    await manager.post("/2/attachable-user", json={"user_id": 2})
    await make_customer(email="merged@example.com")
    await manager.post("/1/merge", json={"from_id": 3})


@every_operation
async def test_every_documented_error_is_reached(
    shop: None, shared_app: FastAPI, manager: httpx.AsyncClient, client_of: MakeClient,
    method: str, path: str, operation: str,
) -> None:  # fmt: skip
    """The errors of an operation in the OpenAPI document are exactly those of these requests."""
    reached = set()

    def expect(response: httpx.Response, status: int, code: str, *message_and_details: Any) -> None:
        assert_error(response, status, code, *message_and_details)
        reached.add((status, code))

    for auth, status, code in STRANGERS:
        async with client_of(auth) as client:
            response = await send(client, method, path, operation)
        expect(response, status, code)
        assert ("www-authenticate" in response.headers) == (status == 401)
    if method != "GET":
        response = await manager.request(
            method, url(path), json=BODIES.get(operation), headers={"Sec-Fetch-Site": "cross-site"}
        )
        expect(response, 403, "cross_site_request")
    async with client_of() as client:
        await sign_in(client, "manager", login_password_of("manager"))
        response = await client.request(
            method, url(path), json=BODIES.get(operation), headers=with_nonce("0123456789")
        )
    expect(response, 403, "rest_cookie_invalid_nonce")
    for name, sent, status, code, message, details in CASES:
        if name == operation:
            query, body = (f"?{sent}", None) if isinstance(sent, str) else ("", sent)
            response = await manager.request(method, url(path) + query, json=body)
            expect(response, status, code, message, details)
    if "{customer" in path:
        for customer_id in (999, 0, -1, 2**63, 10**40):
            response = await send(manager, method, path, operation, customer_id)
            expect(response, 404, "customer_not_found", f"Customer with ID {customer_id} not found")
        response = await send(manager, method, path, operation, 3)
        merged = "Customer with ID 3 was merged into customer 1. Use that ID"
        assert_error(response, 410, "customer_merged", merged, survivor_id=1)
        reached.add((410, "customer_merged"))
        parameter = path[path.index("{") + 1 : path.index("}")]
        expect(
            await send(manager, method, path, operation, "abc"),
            422, "validation_error", FAILED, {parameter: NUMBER},
        )  # fmt: skip
    response = await manager.request(method, f"{url(path)}?search=%FF")
    expect(response, 400, "validation_error", "The query is not valid UTF-8. Encode it as UTF-8")
    if operation in BODIES:
        response = await manager.request(method, url(path), content=b'{"broken')
        expect(response, 400, "validation_error", UNREADABLE)
        response = await manager.request(method, url(path), content=b" " * (2**20 + 1))
        expect(response, 413, "payload_too_large", LARGE)
        response = await manager.request(method, url(path), files={"file": b"x"})
        expect(response, 415, "unsupported_media_type")

    if method == "POST":
        key = {"Idempotency-Key": "key"}
        first = KEPT_BODIES.get(operation, BODIES.get(operation))
        for number, body in enumerate((first, OTHER_BODIES.get(operation))):
            response = await manager.post(url(path), json=body, headers=key)
            if number and body:
                expect(response, 422, "idempotency_key_reused")
            assert number or response.status_code == 200
        text = ["Must be one text of 1 to 255 printable ASCII characters"]
        response = await manager.post(url(path), headers={"Idempotency-Key": "x" * 256})
        expect(response, 422, "validation_error", FAILED, {"Idempotency-Key": text})
    if operation == "create_customer":
        for code, path_of_end, body in (
            (
                "customer_not_found",
                "/do-bulk-action",
                lambda id_: {"action": "delete", "customer_ids": [id_]},
            ),
            ("customer_merged", "/1/merge", lambda id_: {"from_id": id_}),
        ):
            created = {"email": f"{code}@example.com"}
            response = await manager.post("", json=created, headers={"Idempotency-Key": code})
            await manager.post(path_of_end, json=body(response.json()["data"]["customer"]["id"]))
            response = await manager.post("", json=created, headers={"Idempotency-Key": code})
            assert response.json()["code"] == code
            reached.add((response.status_code, code))
    if method in ("PUT", "PATCH") or operation in ("get_customer", "merge_customers"):
        body = BODIES.get(operation)
        response = await manager.request(method, url(path), json=body, headers={"If-Match": '"another"'})
        expect(response, 412, "precondition_failed")

    # A minute that does not pass, with one wrong password and ten requests in it.
    limits = create_limits(Settings(failed_login_limit=1, _env_file=None))
    limits = limits._replace(requests=RateLimiter(1, clock=lambda: 60.0))
    shared_app.state.limits = limits
    async with client_of(httpx.BasicAuth("manager", "wrong")) as client:
        await send(client, method, path, operation)
        response = await send(client, method, path, operation)
    expect(response, 429, "too_many_attempts", ATTEMPTS)
    assert 0 < int(response.headers["retry-after"]) <= 300
    for _ in range(10):
        limits.requests.acquire(MANAGER)
    response = await send(manager, method, path, operation)
    expect(response, 429, "rate_limited", "Too many requests")
    assert response.headers["retry-after"] == "1"

    responses = openapi_document(shared_app)["paths"][PREFIX + path][method.lower()]["responses"]
    documented = {
        (int(status), example["value"]["code"])
        for status, response in responses.items()
        for example in response.get("content", {}).get("application/json", {}).get("examples", {}).values()
    }
    assert reached == documented - ELSEWHERE - {IN_FLIGHT}
    assert documented >= ELSEWHERE
    assert (IN_FLIGHT in documented) == (method == "POST")


async def test_customer_has_one_user_at_a_time(shop: None, manager: httpx.AsyncClient) -> None:
    response = await manager.post("/2/attachable-user", json={"user_id": 1})
    assert_error(response, 422, "invalid_user", "The customer is attached to another user")


class TestRoutes:
    async def test_unknown_route_is_404(self, client_of: MakeClient) -> None:
        text = "No route was found matching the URL and request method"
        async with client_of(prefix="") as client:
            for path in ("/nothing", "/wp-json/wp", "/wp-json/fluent-cart/v3", f"{PREFIX}/1/nothing"):
                for method in ("GET", "POST", "DELETE", "OPTIONS"):
                    response = await client.request(method, path)
                    assert_error(response, 404, "rest_no_route", text)

    @pytest.mark.parametrize("prefix", [PREFIX, EXAMPLES_PREFIX])
    async def test_unknown_method_of_a_route_is_405(
        self, client_of: MakeClient, shared_app: FastAPI, prefix: str
    ) -> None:
        """``Allow`` names the methods of all routes with the path, as the OpenAPI document has them."""
        async with client_of(prefix=prefix) as client:
            for path, methods in openapi_document(shared_app)["paths"].items():
                known = {"OPTIONS", *(method.upper() for method in methods)}
                known |= {"HEAD"} if "get" in methods else set()
                for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - known:
                    response = await client.request(method, url(path.removeprefix(PREFIX)))
                    text = "This route does not support the request method"
                    assert_error(response, 405, "rest_no_route", text)
                    assert response.headers["allow"] == ", ".join(sorted(known))


class TestBrokenServers:
    async def test_unexpected_error_is_500_without_its_cause(
        self, shop: None, manager: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        def fails(*_arguments: object) -> None:
            raise RuntimeError("secret cause")

        monkeypatch.setattr(addresses, "list_addresses", fails)
        response = await manager.get("/1/address", headers={"X-Request-Id": "mine-1"})
        text = "Something went wrong on our side. Request ID: mine-1"
        assert_error(response, 500, "internal_error", text)
        assert response.headers["x-request-id"] == "mine-1"
        assert [record.getMessage() for record in caplog.records] == ["Unexpected error in request mine-1"]

    @pytest.mark.parametrize("kind", ["rubbish", "empty", "missing folder"])
    async def test_missing_database_is_503(
        self, shared_app: FastAPI, client_of: MakeClient, tmp_path: Path, kind: str
    ) -> None:
        path = tmp_path / "broken.db"
        if kind == "missing folder":
            path = tmp_path / "nowhere" / "broken.db"
        else:
            path.write_bytes(b"this is no database" * 100 if kind == "rubbish" else b"")
        broken = Settings(database_url=f"sqlite:///{path}", _env_file=None)
        async with create_database(broken) as database, client_of(credentials("manager")) as client:
            shared_app.state.database = database
            for method, target, operation in OPERATIONS:
                response = await send(client, method, target, operation)
                text = "The database is busy or not available. Try again"
                assert_error(response, 503, "service_unavailable", text)
                assert response.headers["retry-after"] == "1"

    async def test_write_without_a_turn_in_time_is_503(
        self, sqlite_settings: Settings, shared_app: FastAPI, client_of: MakeClient
    ) -> None:
        """Another program holds SQLite's write lock. The rejected request changes nothing, also later."""
        hasty = sqlite_settings.model_copy(update={"write_timeout": 0.2})
        holder = sqlite3.connect(hasty.database_url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        async with create_database(hasty) as database, client_of(credentials("manager")) as client:
            shared_app.state.database = database
            refused = await client.post("", json={"email": "refused@example.com"})
            holder.execute("ROLLBACK")
            holder.close()
            assert_error(refused, 503, "service_unavailable")
            assert refused.headers["retry-after"] == "1"
            accepted = await client.post("", json={"email": "accepted@example.com"})
            assert accepted.status_code == 200
            stored = await database.scan(rows, Customer)
        assert [customer["email"] for customer in stored] == ["accepted@example.com"]
