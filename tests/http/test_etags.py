"""ETag, If-Match, If-None-Match: changes of a tag, and effects of a condition (RFC 9110).

See docs/decisions.md#28-etags.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.models import Address, Customer
from fluent_cart.services import orders, users
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials, rows
from tests.support.errors import assert_error

PUTS = (
    ("/1", {"first_name": "Changed"}),
    ("/1/additional-info", {"changed": True}),
    ("/1/address", {"address_id": 1, "city": "Changed"}),
)
every_put = pytest.mark.parametrize(("path", "body"), PUTS)
OTHER = '"0123456789abcdef0123456789abcdef"'
FAILED = "The customer does not meet the condition of If-Match or If-None-Match. Read the customer again"


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customer 1 with two addresses, and customer 2."""
    for email in ("a@example.com", "b@example.com"):
        await make_customer(email=email)
    for _ in range(2):
        await make_address(1)


async def tag_of(client: httpx.AsyncClient, customer_id: int = 1) -> str:
    tag: str = (await client.get(f"/{customer_id}")).headers["etag"]
    return tag


def lists(tag: str) -> list[str]:
    """Return headers that name a tag."""
    return [tag, f"{OTHER}, {tag}", f"{tag},{OTHER}", f' , {OTHER}, ,W/"x",{tag} ,', "*"]


def record_order(connection: Connection) -> None:
    order = {"status": "completed", "payment_status": "paid", "currency": "USD", "total_refund": 0}
    money = {"total_amount": 100, "total_paid": 100}
    orders.record_order(
        connection, {**order, **money, "customer_id": 1, "created_at": "2024-01-01T10:00:00Z"}
    )


class TestTag:
    async def test_tag_is_strong_and_stays_without_a_change(
        self, shop: None, viewer: httpx.AsyncClient, client_of: MakeClient
    ) -> None:
        tag = await tag_of(viewer)
        assert re.fullmatch('"[0-9a-f]{32}"', tag)
        assert await tag_of(viewer) == tag
        async with client_of(credentials("administrator")) as other:
            assert await tag_of(other) == tag
        assert (await viewer.head("/1")).headers["etag"] == tag
        assert await tag_of(viewer, 2) != tag

    async def test_tag_changes_with_every_change_of_the_response(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        """By writes of this API, and by other changes of its addresses, totals and user."""
        place = {"address_1": "1 Side St", "city": "Rome", "country": "IT"}
        status = {"action": "update_status", "customer_ids": [1], "data": {"status": "inactive"}}
        changes: list[Callable[[], Awaitable[object]]] = [
            *(partial(manager.put, path, json=body) for path, body in PUTS),
            partial(manager.post, "/1/address", json=place),
            partial(manager.post, "/1/address/make-primary", json={"address_id": 2}),
            partial(manager.delete, "/1/address?address_id=3"),
            partial(manager.post, "/1/attachable-user", json={"user_id": 6}),
            partial(database.write, users.delete_user, "subscriber"),
            partial(database.write, record_order),
            partial(manager.post, "/do-bulk-action", json=status),
        ]
        before = await tag_of(manager)
        for change in changes:
            await change()
            after = await tag_of(manager)
            assert after != before, change
            before = after

    @every_put
    async def test_put_with_a_condition_returns_the_new_tag(
        self, shop: None, manager: httpx.AsyncClient, path: str, body: Any
    ) -> None:
        before = await tag_of(manager)
        changed = await manager.put(path, json=body, headers={"If-Match": before})
        assert before != changed.headers["etag"] == await tag_of(manager)
        again = await manager.put(path, json=body, headers={"If-Match": "*"})
        assert again.headers["etag"] == changed.headers["etag"]
        assert "etag" not in (await manager.put(path, json=body)).headers

    async def test_only_customers_have_a_tag(self, shop: None, manager: httpx.AsyncClient) -> None:
        for path in ("", "/1/address", "/1/orders", "/get-stats/1", "/attachable-user", "/999"):
            assert "etag" not in (await manager.get(path)).headers
        assert "etag" not in (await manager.put("/999", json={})).headers


class TestGet:
    async def test_get_of_a_known_state_is_304(self, shop: None, viewer: httpx.AsyncClient) -> None:
        tag = await tag_of(viewer)
        for known in (*lists(tag), f"W/{tag}"):
            for method in ("GET", "HEAD"):
                answer = await viewer.request(method, "/1", headers={"If-None-Match": known})
                assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
                assert not {"content-type", "content-length"} & set(answer.headers)
                assert answer.headers["x-request-id"]

    async def test_get_of_an_unknown_state_is_200(self, shop: None, viewer: httpx.AsyncClient) -> None:
        whole = await viewer.get("/1")
        tag = whole.headers["etag"]
        for known in (OTHER, f"W/{OTHER}", tag.strip('"'), tag.upper(), "", "rubbish", f"w/{tag[:-2]}"):
            answer = await viewer.get("/1", headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (200, whole.content)

    async def test_get_takes_several_headers_for_one_list(
        self, shop: None, viewer: httpx.AsyncClient
    ) -> None:
        tag = await tag_of(viewer)
        sent = [("If-None-Match", OTHER), ("If-None-Match", tag)]
        assert (await viewer.get("/1", headers=sent)).status_code == 304

    async def test_get_with_if_match_comes_first(self, shop: None, viewer: httpx.AsyncClient) -> None:
        tag = await tag_of(viewer)
        refused = await viewer.get("/1", headers={"If-Match": OTHER, "If-None-Match": tag})
        assert_error(refused, 412, "precondition_failed", FAILED)
        answer = await viewer.get("/1", headers={"If-Match": tag, "If-None-Match": tag})
        assert answer.status_code == 304

    async def test_get_with_a_tag_without_credentials_is_401(
        self, shop: None, viewer: httpx.AsyncClient, no_permissions: httpx.AsyncClient
    ) -> None:
        tag = await tag_of(viewer)
        for known in (tag, OTHER, "*"):
            refused = await no_permissions.get("/1", headers={"If-None-Match": known, "If-Match": known})
            assert_error(refused, 403, "insufficient_permissions")
            assert "etag" not in refused.headers

    async def test_get_of_an_unknown_customer_with_a_tag_is_404(self, viewer: httpx.AsyncClient) -> None:
        for header in ("If-Match", "If-None-Match"):
            assert_error(await viewer.get("/999", headers={header: "*"}), 404, "customer_not_found")


@every_put
class TestPut:
    async def test_put_of_the_known_state_changes_it(
        self, shop: None, manager: httpx.AsyncClient, path: str, body: Any
    ) -> None:
        for number in range(len(lists(OTHER))):
            known = lists(await tag_of(manager))[number]
            answer = await manager.put(path, json=body, headers={"If-Match": known})
            assert answer.status_code == 200

    async def test_put_of_another_state_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database, path: str, body: Any
    ) -> None:
        tag = await tag_of(manager)
        before = [await database.scan(rows, table) for table in (Customer, Address)]
        # A weak tag means that two states are similar, which is not enough for a change.
        for known in (OTHER, f"W/{tag}", tag.strip('"'), "rubbish", f'"{OTHER}"', ""):
            refused = await manager.put(path, json=body, headers={"If-Match": known})
            assert_error(refused, 412, "precondition_failed", FAILED)
            assert "etag" not in refused.headers
        for known in (tag, f"W/{tag}", "*"):
            refused = await manager.put(path, json=body, headers={"If-None-Match": known})
            assert_error(refused, 412, "precondition_failed", FAILED)
        assert [await database.scan(rows, table) for table in (Customer, Address)] == before
        answer = await manager.put(path, json=body, headers={"If-None-Match": OTHER, "If-Match": tag})
        assert answer.status_code == 200

    async def test_put_names_other_errors_first(
        self, shop: None, manager: httpx.AsyncClient, viewer: httpx.AsyncClient, path: str, body: Any
    ) -> None:
        """RFC 9110, 13.2.1: conditions are for requests that would succeed without them."""
        headers = {"If-Match": OTHER}
        assert_error(await viewer.put(path, json=body, headers=headers), 403, "insufficient_permissions")
        assert_error(await manager.put(path, content=b"{", headers=headers), 400, "validation_error")
        missing = await manager.put(path.replace("1", "999"), json=body, headers=headers)
        assert_error(missing, 404, "customer_not_found")
