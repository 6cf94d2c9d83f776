"""PATCH and DELETE of /customers/{customerId}.

See docs/decisions.md#180-patch-and-delete.
"""

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.models import Address, Customer, IdempotencyKey
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials, rows
from tests.support.errors import assert_error

EMAIL = "ann@example.com"


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customer 1 with an address, and customer 2."""
    await make_customer(email=EMAIL, first_name="Ann", last_name="Lee", phone="1")
    await make_customer(email="bob@example.com")
    await make_address(1)


class TestPatch:
    @pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
    async def test_patch_returns_the_same_as_put(
        self, shop: None, manager: httpx.AsyncClient, kind: str
    ) -> None:
        headers = {"Content-Type": kind}
        patched = await manager.patch("/1", content=b'{"last_name": "Doe"}', headers=headers)
        put = await manager.put("/1", json={"last_name": "Doe"})
        assert (patched.status_code, patched.content) == (200, put.content)
        assert patched.json()["data"]["customer"]["first_name"] == "Ann"

    async def test_null_removes_the_phone(self, shop: None, manager: httpx.AsyncClient) -> None:
        answer = await manager.patch("/1", json={"phone": None})
        assert answer.json()["data"]["customer"]["phone"] is None

    async def test_patch_with_an_old_etag_is_412(self, shop: None, manager: httpx.AsyncClient) -> None:
        tag = (await manager.get("/1")).headers["etag"]
        first = await manager.patch("/1", json={"phone": "2"}, headers={"If-Match": tag})
        assert first.headers["etag"] == (await manager.get("/1")).headers["etag"] != tag
        again = await manager.patch("/1", json={"phone": "3"}, headers={"If-Match": tag})
        assert_error(again, 412, "precondition_failed")

    async def test_full_name_of_the_plugin_is_read(self, shop: None, manager: httpx.AsyncClient) -> None:
        answer = await manager.patch("/1", json={"full_name": "Eva Doe"})
        assert answer.json()["data"]["customer"]["first_name"] == "Eva"


class TestDelete:
    async def test_delete_does_the_same_as_the_bulk_action(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        answer = await manager.delete("/1")
        assert answer.json() == {"success": True, "message": "Customer deleted successfully"}
        assert [each["id"] for each in await database.scan(rows, Customer)] == [2]
        assert await database.scan(rows, Address) == []
        assert_error(await manager.delete("/1"), 404, "customer_not_found", "Customer with ID 1 not found")

    async def test_delete_erases_stored_responses_about_the_customer(
        self, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.post("", json={"email": EMAIL}, headers={"Idempotency-Key": "a"})
        assert (await manager.delete("/1")).status_code == 200
        assert [kept["body"] for kept in await database.scan(rows, IdempotencyKey)] == ["1"]

    async def test_delete_needs_the_permission_to_delete(self, shop: None, client_of: MakeClient) -> None:
        async with client_of(credentials("worker")) as worker:
            assert_error(await worker.delete("/1"), 403, "insufficient_permissions")

    async def test_delete_of_a_fixed_path_is_405(self, shop: None, manager: httpx.AsyncClient) -> None:
        for path in ("/export", "/attachable-user", "/do-bulk-action"):
            assert_error(await manager.delete(path), 405, "rest_no_route")
