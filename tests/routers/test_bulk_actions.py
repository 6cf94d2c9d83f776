"""/customers/do-bulk-action.

See docs/decisions.md#24-bulk-actions, #25-deletion-of-customers and #26-bulk-export.
"""

import csv
import json
from io import StringIO
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, update

from fluent_cart.database import Database
from fluent_cart.models import Address, Customer, Order
from fluent_cart.services import orders
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.support.errors import assert_error

LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress, database: Database) -> None:
    """Customers 1 to 5, each with an address and an order. 5 is inactive, and all of them are old."""
    for number in range(1, 6):
        status = "inactive" if number == 5 else "active"
        await make_customer(email=f"{number}@example.com", status=status)
        await make_address(number)
        order = {
            "customer_id": number, "status": "completed", "payment_status": "paid", "currency": "USD",
            "total_amount": 100, "total_paid": 100, "total_refund": 0, "created_at": LONG_AGO,
        }  # fmt: skip
        await database.write(orders.record_order, order)

    def age(connection: Connection) -> None:
        connection.execute(update(Customer).values(updated_at=LONG_AGO))

    await database.write(age)


async def act(client: httpx.AsyncClient, action: str, ids: list[Any], **data: Any) -> dict[str, Any]:
    answer = await client.post("/do-bulk-action", json={"action": action, "customer_ids": ids, "data": data})
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()["data"]
    return answered


def failed(customer_id: int) -> dict[str, Any]:
    error = {"code": "customer_not_found", "message": f"Customer with ID {customer_id} not found"}
    return {"customer_id": customer_id, "success": False, "error": error}


class TestListsOfPhp:
    @pytest.mark.parametrize("ids", [{"0": 1, "1": 2}, {"1": 1, "5": "2"}])
    async def test_list_as_an_object_of_numbers_is_read(
        self, shop: None, manager: httpx.AsyncClient, ids: dict[str, Any]
    ) -> None:
        action = {"action": "export", "customer_ids": ids, "data": None}
        answer = await manager.post("/do-bulk-action", json=action)
        assert answer.status_code == 200, answer.text
        assert [done["customer_id"] for done in answer.json()["data"]["results"]] == [1, 2]

    @pytest.mark.parametrize("ids", [{}, {"a": 1}, {"0": 1, "a": 2}, {"-1": 1}, {"\u0661": 1}])
    async def test_object_that_is_not_a_list_is_rejected(
        self, shop: None, manager: httpx.AsyncClient, ids: dict[str, Any]
    ) -> None:
        answer = await manager.post("/do-bulk-action", json={"action": "export", "customer_ids": ids})
        assert_error(answer, 422, "validation_error")


class TestUpdateStatus:
    async def test_update_status_has_one_result_for_each_customer_in_order(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        done = await act(manager, "update_status", [3, 99, "1", 3, 5, 98], status="inactive")
        assert done == {
            "processed": 3, "failed": 2,
            "results": [
                {"customer_id": 3, "success": True}, failed(99), {"customer_id": 1, "success": True},
                {"customer_id": 5, "success": True}, failed(98),
            ],
        }  # fmt: skip
        customers = {customer["id"]: customer for customer in await database.scan(rows, Customer)}
        assert {number for number, each in customers.items() if each["status"] == "inactive"} == {1, 3, 5}
        # Number 5 was inactive already.
        assert {number for number, each in customers.items() if each["updated_at"] != LONG_AGO} == {1, 3}

    async def test_bulk_action_accepts_at_most_a_thousand_ids(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        done = await act(manager, "update_status", list(range(1, 1001)), status="active")
        assert (done["processed"], done["failed"], len(done["results"])) == (5, 995, 1000)
        body = {"action": "update_status", "customer_ids": list(range(1, 1002)), "data": {"status": "active"}}
        assert_error(await manager.post("/do-bulk-action", json=body), 422, "validation_error")

    @pytest.mark.parametrize(
        "change",
        [{"action": "rename"}, {"action": None}, {"data": {}}, {"data": []}, {"data": {"status": ""}},
         {"data": 0}, {"data": False}, {"customer_ids": []}, {"customer_ids": 1}, {"customer_ids": [1, 0]}],
    )  # fmt: skip
    async def test_bulk_action_with_an_error_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database, change: dict[str, Any]
    ) -> None:
        before = await database.scan(rows, Customer)
        body = {"action": "update_status", "customer_ids": [1, 2], "data": {"status": "inactive"}} | change
        assert_error(await manager.post("/do-bulk-action", json=body), 422, "validation_error")
        assert await database.scan(rows, Customer) == before


class TestDelete:
    async def test_bulk_delete_removes_addresses_and_keeps_orders(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.post("/1/attachable-user", json={"user_id": 1})
        done = await act(manager, "delete", [1, 3, 99])
        assert (done["processed"], done["failed"]) == (2, 1)
        assert [customer["id"] for customer in await database.scan(rows, Customer)] == [2, 4, 5]
        assert [address["customer_id"] for address in await database.scan(rows, Address)] == [2, 4, 5]
        books = {order["id"]: order["customer_id"] for order in await database.scan(rows, Order)}
        assert books == {1: None, 2: 2, 3: None, 4: 4, 5: 5}
        attachable = (await manager.get("/attachable-user")).json()["data"]["users"]
        assert attachable[0]["id"] == 1

    async def test_delete_never_gives_an_id_to_another(self, shop: None, manager: httpx.AsyncClient) -> None:
        await act(manager, "delete", [5])
        created = await manager.post("", json={"email": "new@example.com"})
        assert created.json()["data"]["customer"]["id"] == 6


class TestExport:
    @pytest.fixture
    async def hostile(self, shop: None, manager: httpx.AsyncClient) -> None:
        """Customer 2 has cells that a spreadsheet or a careless reader would fall for."""
        info = {"note": 'a "quoted", text;\nin two lines', "list": [1]}
        await manager.put(
            "/2", json={"first_name": "=1+1", "last_name": 'O\'Brien, "Bob"', "phone": "+1 234"}
        )
        await manager.put("/2/additional-info", json=info)

    @pytest.mark.parametrize("data", [{}, {"format": "json"}])
    async def test_bulk_export_as_json_has_full_records(
        self, hostile: None, manager: httpx.AsyncClient, data: dict[str, Any]
    ) -> None:
        done = await act(manager, "export", [2, 99, 1], **data)
        records = [(await manager.get(f"/{number}")).json()["data"]["customer"] for number in (2, 1)]
        assert done["export"] == records
        assert list(done) == ["processed", "failed", "results", "export"]

    async def test_bulk_export_as_csv_is_readable_by_any_reader(
        self, hostile: None, manager: httpx.AsyncClient
    ) -> None:
        done = await act(manager, "export", [2, 1], format="csv")
        assert done["export"].count("\r\n") == 3
        read = list(csv.DictReader(StringIO(done["export"], newline="")))
        record = (await manager.get("/2")).json()["data"]["customer"]
        assert list(read[0]) == list(record)
        assert [row["id"] for row in read] == ["2", "1"]
        row = read[0]
        assert json.loads(row["addresses"]) == record["addresses"]
        assert json.loads(row["additional_info"]) == record["additional_info"]
        # A formula for a spreadsheet is a text behind an apostrophe.
        assert (row["first_name"], row["phone"]) == ("'=1+1", "'+1 234")
        assert (row["last_name"], row["user_id"]) == ('O\'Brien, "Bob"', "")


class TestDryRun:
    @pytest.mark.parametrize("action", ["update_status", "delete", "export"])
    async def test_dry_run_returns_the_results_and_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database, action: str
    ) -> None:
        body = {"action": action, "customer_ids": [1, 99], "data": {"status": "inactive"}, "dry_run": True}
        before = await database.scan(rows, Customer)
        answers = [
            await manager.post("/do-bulk-action", json=body, headers={"Idempotency-Key": "key"})
            for _ in range(2)
        ]
        results = [{"customer_id": 1, "success": True}, failed(99)]
        for answer in answers:
            assert answer.json()["data"] == {"processed": 1, "failed": 1, "results": results}
            assert "idempotency-replayed" not in answer.headers
        assert await database.scan(rows, Customer) == before
