"""Merging two customers: the data of the survivor, and the response for the other id."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.models import Address, Customer, CustomerChange, MergedCustomer, Order
from fluent_cart.services import orders
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.contract.test_permissions import BODIES, EXTENSIONS, OPERATIONS, url
from tests.support.errors import assert_error

ORDER: dict[str, Any] = {
    "status": "completed", "payment_status": "paid", "currency": "USD", "total_amount": 500,
    "total_paid": 500, "total_refund": 0,
}  # fmt: skip
MakeOrder = Callable[..., Any]


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress, database: Database) -> None:
    """Customers with orders and addresses: 1 without a phone, 2 with a phone, and 3 without anything."""
    await make_customer(
        email="ann@example.com", first_name="Ann", additional_info={"labels": ["a", "b"], "vip": True}
    )
    await make_customer(
        email="ann+shop@example.com", first_name="Anna", last_name="Lee", phone="+49 30 5552295",
        additional_info={"labels": ["b", "c"], "vip": False, "notes": "calls"},
    )  # fmt: skip
    await make_customer(email="c@example.com")
    await make_address(1, address_1="1 Main St")
    await make_address(2, address_1="1  MAIN st")
    await make_address(2, address_1="2 Side St")
    for number, customer_id in enumerate((1, 2, 2), start=1):
        order = {**ORDER, "customer_id": customer_id, "created_at": f"2024-01-0{number}T10:00:00Z"}
        await database.write(orders.record_order, order)


async def everything(database: Database) -> list[Any]:
    tables = (Customer, Address, Order, MergedCustomer, CustomerChange)
    return [await database.scan(rows, table) for table in tables]


def assert_merged(response: httpx.Response, customer_id: int, survivor_id: int) -> None:
    """Assert the whole answer for the id of a merged customer."""
    text = f"Customer with ID {customer_id} was merged into customer {survivor_id}. Use that ID"
    assert (response.status_code, response.json()) == (
        410,
        {
            "success": False,
            "error": {"code": "customer_merged", "message": text},
            "code": "customer_merged",
            "message": text,
            "data": {"status": 410, "survivor_id": survivor_id},
        },
    )


class TestMerge:
    async def test_survivor_has_orders_addresses_and_labels_of_both(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        before = (await manager.get("/1")).json()["data"]["customer"]
        data = (await manager.post("/1/merge", json={"from_id": 2})).json()["data"]
        customer = data.pop("customer")
        assert data == {
            "from_id": 2,
            "moved_orders": 2,
            "moved_addresses": 1,
            "joined_addresses": 1,
            "changed_fields": ["last_name", "phone", "additional_info"],
        }
        assert customer == (await manager.get("/1")).json()["data"]["customer"]
        assert {name: value for name, value in customer.items() if value != before[name]} == {
            "last_name": "Lee",
            "phone": "+49 30 5552295",
            "total_spent": 1500,
            "order_count": 3,
            "addresses": [before["addresses"][0], customer["addresses"][1]],
            "additional_info": {"labels": ["a", "b", "c"], "vip": True, "notes": "calls"},
            **(
                {"updated_at": customer["updated_at"]}
                if customer["updated_at"] != before["updated_at"]
                else {}
            ),
        }
        assert (customer["addresses"][1]["id"], customer["addresses"][1]["is_primary"]) == (3, False)
        stats = (await manager.get("/get-stats/1")).json()["data"]["stats"]
        assert (stats["first_order_date"], stats["last_order_date"], stats["average_order_value"]) == (
            "2024-01-01T10:00:00Z", "2024-01-03T10:00:00Z", 500,
        )  # fmt: skip
        assert len((await manager.get("/1/orders")).json()["data"]["orders"]) == 3
        assert [row["id"] for row in await database.scan(rows, Address)] == [1, 3]
        # The filled fields are searched.
        found = await manager.get("", params={"search": "5552295"})
        assert [each["id"] for each in found.json()["data"]["customers"]] == [1]

    async def test_merge_preview_returns_the_same_and_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        before = await everything(database)
        preview = (await manager.post("/1/merge", json={"from_id": 2, "preview": True})).json()
        assert await everything(database) == before
        deed = (await manager.post("/1/merge", json={"from_id": 2})).json()
        for answer in (preview, deed):
            del answer["data"]["customer"]["updated_at"]
        assert preview == deed

    async def test_merge_into_a_customer_without_addresses_keeps_the_primary_address(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        data = (await manager.post("/3/merge", json={"from_id": 2})).json()["data"]
        assert (data["moved_addresses"], data["joined_addresses"]) == (2, 0)
        assert [each["is_primary"] for each in data["customer"]["addresses"]] == [True, False]

    async def test_merge_is_recorded_as_a_change_of_both_customers(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        cursor = (await manager.get("/changes")).json()["data"]["cursor"]
        await manager.post("/1/merge", json={"from_id": 2})
        changes = (await manager.get("/changes", params={"after": cursor})).json()["data"]["changes"]
        gone = [change for change in changes if change["customer_id"] == 2]
        assert [(each["kind"], each["survivor_id"], each["customer"]) for each in gone] == [
            ("merged", 1, None)
        ]
        kept = [change for change in changes if change["customer_id"] == 1]
        assert kept
        assert kept[-1]["customer"] == (await manager.get("/1")).json()["data"]["customer"]


class TestUser:
    async def test_user_of_either_customer_stays_attached_after_a_merge(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.post("/2/attachable-user", json={"user_id": 2})
        data = (await manager.post("/1/merge", json={"from_id": 2})).json()["data"]
        assert data["customer"]["user_id"] == 2
        assert "user_id" in data["changed_fields"]

    async def test_merge_of_two_customers_with_users_is_rejected_unless_one_is_named(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        for customer_id in (1, 2):
            await manager.post(f"/{customer_id}/attachable-user", json={"user_id": customer_id})
        before = await everything(database)
        text = "Both customers have a user. Send user_id: the user that stays attached"
        assert_error(await manager.post("/1/merge", json={"from_id": 2}), 422, "invalid_user", text)
        text = "The user is attached to neither customer. Send the user_id of one of the two"
        response = await manager.post("/1/merge", json={"from_id": 2, "user_id": 3})
        assert_error(response, 422, "invalid_user", text)
        assert await everything(database) == before
        data = (await manager.post("/1/merge", json={"from_id": 2, "user_id": 2})).json()["data"]
        assert data["customer"]["user_id"] == 2
        users = (await manager.get("/attachable-user")).json()["data"]["users"]
        assert 1 in [user["id"] for user in users]


class TestOldId:
    async def test_merged_id_is_410_with_the_survivor_on_every_route(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.post("/1/merge", json={"from_id": 2})
        routes = [route for route in OPERATIONS + EXTENSIONS if "{customer" in route[1]]
        assert len(routes) > 12
        for method, path, operation in routes:
            body = {"from_id": 3} if operation == "merge_customers" else BODIES.get(operation)
            assert_merged(await manager.request(method, url(path, 2), json=body), 2, 1)
        assert_merged(await manager.put("/2", json={"phone": "1"}, headers={"If-Match": "*"}), 2, 1)
        assert_merged(await manager.post("/3/merge", json={"from_id": 2}), 2, 1)

    async def test_id_that_was_merged_twice_is_410_with_the_last_survivor(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.post("/2/merge", json={"from_id": 1})
        assert_merged(await manager.get("/1"), 1, 2)
        await manager.post("/3/merge", json={"from_id": 2})
        assert_merged(await manager.get("/1"), 1, 3)
        assert_merged(await manager.get("/2"), 2, 3)

    async def test_merged_id_is_404_after_the_survivor_is_deleted(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.post("/1/merge", json={"from_id": 2})
        await manager.delete("/1")
        assert_error(await manager.get("/2"), 404, "customer_not_found", "Customer with ID 2 not found")

    async def test_merged_id_in_a_bulk_action_fails_as_merged(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.post("/1/merge", json={"from_id": 2})
        body = {"action": "update_status", "customer_ids": [2, 1, 9], "data": {"status": "inactive"}}
        results = (await manager.post("/do-bulk-action", json=body)).json()["data"]["results"]
        assert [result.get("error", {}).get("code") for result in results] == [
            "customer_merged", None, "customer_not_found",
        ]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "body", "status", "code", "message"),
        [
            ("/1/merge", {"from_id": 1}, 422, "validation_error", None),
            ("/1/merge", {}, 422, "validation_error", None),
            ("/1/merge", {"from_id": 9}, 404, "customer_not_found", "Customer with ID 9 not found"),
            ("/9/merge", {"from_id": 1}, 404, "customer_not_found", "Customer with ID 9 not found"),
        ],
    )
    async def test_rejected_merge_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database, path: str, body: Any, status: int,
        code: str, message: str | None,
    ) -> None:  # fmt: skip
        before = await everything(database)
        assert_error(await manager.post(path, json=body), status, code, message)
        assert await everything(database) == before

    async def test_merge_with_too_much_additional_info_is_rejected(
        self, manager: httpx.AsyncClient, make_customer: MakeCustomer
    ) -> None:
        for number in (1, 2):
            await make_customer(email=f"{number}@example.com", additional_info={str(number): "x" * 40_000})
        response = await manager.post("/1/merge", json={"from_id": 2})
        text = "Of both customers together it is over 64 KiB. Remove keys of one of them"
        details = {"additional_info": [text]}
        assert_error(response, 422, "validation_error", "Request data validation failed", details)

    async def test_merge_with_too_many_addresses_is_rejected(
        self, manager: httpx.AsyncClient, make_customer: MakeCustomer, make_address: MakeAddress,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("fluent_cart.services.addresses.MAX_ADDRESSES", 3)
        for number in (1, 2):
            await make_customer(email=f"{number}@example.com")
            for place in range(2):
                await make_address(number, address_1=f"{number} {place}")
        response = await manager.post("/1/merge", json={"from_id": 2})
        text = "A customer has at most 3 addresses. Delete some of both customers"
        details = {"addresses": [text]}
        assert_error(response, 422, "validation_error", "Request data validation failed", details)


class TestIdempotencyKey:
    async def test_repeated_merge_with_its_key_returns_the_stored_response(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        key = {"Idempotency-Key": "merge"}
        first, again = [await manager.post("/1/merge", json={"from_id": 2}, headers=key) for _ in range(2)]
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert_merged(await manager.post("/1/merge", json={"from_id": 2}), 2, 1)

    async def test_merge_preview_stores_no_response_for_its_key(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        key = {"Idempotency-Key": "merge"}
        for body in ({"from_id": 2, "preview": True}, {"from_id": 2}):
            response = await manager.post("/1/merge", json=body, headers=key)
            assert response.status_code == 200
            assert "idempotency-replayed" not in response.headers

    async def test_repeated_creation_of_a_merged_customer_is_410_with_the_survivor(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        key = {"Idempotency-Key": "create"}
        body = {"email": "new@example.com"}
        created = (await manager.post("", json=body, headers=key)).json()["data"]["customer"]
        await manager.post("/1/merge", json={"from_id": created["id"]})
        assert_merged(await manager.post("", json=body, headers=key), created["id"], 1)


class TestConditions:
    async def test_merge_with_the_current_tag_returns_the_new_tag(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        tag = (await manager.get("/1")).headers["etag"]
        response = await manager.post("/1/merge", json={"from_id": 2}, headers={"If-Match": tag})
        assert response.status_code == 200
        assert response.headers["etag"] == (await manager.get("/1")).headers["etag"] != tag

    @pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "merge"}])
    async def test_merge_with_another_tag_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database, key: dict[str, str]
    ) -> None:
        before = await everything(database)
        headers = {"If-Match": '"another"', **key}
        response = await manager.post("/1/merge", json={"from_id": 2}, headers=headers)
        assert_error(response, 412, "precondition_failed")
        assert await everything(database) == before


class TestConcurrency:
    @pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
    async def test_opposite_merges_at_once_leave_one_customer(
        self, shop: None, manager: httpx.AsyncClient, database: Database, headers: dict[str, str]
    ) -> None:
        answers = await asyncio.gather(
            *(
                manager.post(f"/{one}/merge", json={"from_id": other}, headers=headers)
                for one, other in [(1, 2), (2, 1)] * 5
            )
        )
        assert sorted({answer.status_code for answer in answers}) == [200, 410]
        assert sum(answer.status_code == 200 for answer in answers) == 1
        left = [row for row in await database.scan(rows, Customer) if row["id"] < 3]
        assert [(row["order_count"], row["total_spent"]) for row in left] == [(3, 1500)]

    async def test_writes_during_a_merge_are_kept_or_answered_410(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        """Each write to the merged customer comes before the merger, or is answered 410."""

        def number(connection: Connection) -> int:
            return len(rows(connection, Address))

        before = await database.scan(number)
        places = [{"address_1": f"{each} New St", "city": "Rome", "country": "IT"} for each in range(8)]
        writes = [manager.post("/2/address", json=place) for place in places]
        merger = manager.post("/1/merge", json={"from_id": 2})
        *written, merged = await asyncio.gather(*writes[:4], *writes[4:], merger)
        assert merged.status_code == 200
        assert {answer.status_code for answer in written} <= {200, 410}
        stored = sum(answer.status_code == 200 for answer in written)
        assert await database.scan(number) == before - merged.json()["data"]["joined_addresses"] + stored
