"""Live answers that the contract's examples do not show, whole and against the response models.

They hold the keys beyond the documented ones, and nulls and empty lists.

See docs/decisions.md#3-documented-keys.
"""

from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.database import Database
from fluent_cart.services import user_attachment
from tests.conftest import MakeAddress, MakeCustomer, Record
from tests.contract.test_examples import DOCUMENTED, EXTENSIONS, TIME, assert_documented, assert_modelled

NOT_FOUND = {"code": "customer_not_found", "message": "Customer with ID 999 not found"}
COLUMNS = (
    "id,email,first_name,last_name,phone,status,total_spent,order_count,created_at,updated_at,"
    "addresses,user_id,additional_info"
)


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress, database: Database) -> Record:
    """Customer 1 with a value in every field, attached to user 1."""
    customer = await make_customer(
        email="ann@example.com", first_name="Ann", last_name="Lee", additional_info={"vip": True}
    )
    await make_address(1, address_2="Floor 2", company_name="Lee Ltd", phone="+1 5", postcode="10001")
    await database.write(user_attachment.attach_user, 1, 1)
    return customer


def without_times(record: Record) -> Record:
    """Return a customer's record without its times, which have been looked at."""
    assert TIME.fullmatch(record["created_at"])
    assert TIME.fullmatch(record["updated_at"])
    return {key: value for key, value in record.items() if key not in ("created_at", "updated_at")}


ADDRESS = {
    "id": 1, "type": "billing", "first_name": "", "last_name": "",
    "address_1": "1 Main St", "city": "New York", "state": "", "postcode": "10001",
    "country": "US", "is_primary": True, "address_2": "Floor 2", "company_name": "Lee Ltd", "phone": "+1 5",
}  # fmt: skip
CUSTOMER = {
    "id": 1, "email": "ann@example.com", "first_name": "Ann", "last_name": "Lee", "phone": None,
    "status": "active", "total_spent": 0, "order_count": 0, "addresses": [ADDRESS], "user_id": 1,
    "additional_info": {"vip": True},
}  # fmt: skip


class TestExtensions:
    async def test_details_end_with_user_and_additional_info(
        self, shop: Record, shared_app: FastAPI, viewer: httpx.AsyncClient
    ) -> None:
        response = await viewer.get("/1")
        assert_modelled(shared_app, "get_customer", response.content)
        customer = response.json()["data"]["customer"]
        assert list(customer)[-2:] == ["user_id", "additional_info"]
        assert without_times(customer) == CUSTOMER

    async def test_addresses_end_with_the_second_line_company_and_phone(
        self, shop: Record, shared_app: FastAPI, viewer: httpx.AsyncClient
    ) -> None:
        response = await viewer.get("/1/address")
        assert_modelled(shared_app, "list_addresses", response.content)
        assert response.json() == {"success": True, "data": {"addresses": [ADDRESS]}}
        assert list(response.json()["data"]["addresses"][0]) == list(ADDRESS)

    @pytest.mark.parametrize("action", ["update_status", "delete", "export"])
    async def test_failed_bulk_result_ends_with_its_error(
        self, shop: Record, shared_app: FastAPI, manager: httpx.AsyncClient, action: str
    ) -> None:
        body = {"action": action, "customer_ids": [999, 1], "data": {"status": "active"}}
        response = await manager.post("/do-bulk-action", json=body)
        assert_modelled(shared_app, "do_bulk_action", response.content)
        data = response.json()["data"]
        assert (data["processed"], data["failed"]) == (1, 1)
        assert data["results"] == [
            {"customer_id": 999, "success": False, "error": NOT_FOUND},
            {"customer_id": 1, "success": True},
        ]
        assert list(data["results"][0]) == ["customer_id", "success", "error"]
        export = ["export"] if action == "export" else []
        assert list(data) == ["processed", "failed", "results", *export]


class TestExport:
    @pytest.mark.parametrize("chosen", [{}, {"data": {"format": "json"}}], ids=["default", "json"])
    async def test_json_export_has_the_records_that_get_customer_returns(
        self, shop: Record, shared_app: FastAPI, manager: httpx.AsyncClient, chosen: Record
    ) -> None:
        body = {"action": "export", "customer_ids": [1], **chosen}
        response = await manager.post("/do-bulk-action", json=body)
        assert_modelled(shared_app, "do_bulk_action", response.content)
        [exported] = response.json()["data"]["export"]
        assert exported == (await manager.get("/1")).json()["data"]["customer"]
        documented = DOCUMENTED["get_customer"]["data"]["customer"]
        assert list(exported) == [*documented, *EXTENSIONS["get_customer.data.customer"]]
        assert without_times(exported) == CUSTOMER

    async def test_csv_export_is_one_text_with_a_header(
        self, shop: Record, shared_app: FastAPI, manager: httpx.AsyncClient
    ) -> None:
        body = {"action": "export", "customer_ids": [1], "data": {"format": "csv"}}
        response = await manager.post("/do-bulk-action", json=body)
        assert_modelled(shared_app, "do_bulk_action", response.content)
        header, record = response.json()["data"]["export"].split("\r\n")[:2]
        assert header == COLUMNS
        assert record.startswith("1,ann@example.com,Ann,Lee,")


class TestNothingThere:
    """A customer without anything, and a shop without customers, have the same keys."""

    EMPTY: ClassVar[dict[str, tuple[str, Any]]] = {
        "list_addresses": ("/1/address", {"addresses": []}),
        "list_customer_orders": ("/1/orders", {"orders": []}),
        "get_customer_stats": (
            "/get-stats/1",
            {
                "stats": {
                    "total_spent": 0, "order_count": 0, "average_order_value": 0,
                    "last_order_date": None, "first_order_date": None,
                }
            },
        ),
        "list_customers": (
            "?search=nobody",
            {
                "customers": [],
                "pagination": {"current_page": 1, "per_page": 10, "total": 0, "total_pages": 0},
            },
        ),
        "list_attachable_users": ("/attachable-user?search=nobody-at-all", {"users": []}),
    }  # fmt: skip

    @pytest.mark.parametrize("operation", EMPTY)
    async def test_response_without_data_is_empty_and_not_absent(
        self, make_customer: MakeCustomer, shared_app: FastAPI, manager: httpx.AsyncClient, operation: str
    ) -> None:
        await make_customer(email="ann@example.com")
        url, data = self.EMPTY[operation]
        response = await manager.get(url)
        assert_modelled(shared_app, operation, response.content)
        assert response.json() == {"success": True, "data": data}

    async def test_creation_with_the_fewest_fields_returns_defaults(
        self, shared_app: FastAPI, manager: httpx.AsyncClient
    ) -> None:
        response = await manager.post("", json={"email": "ann@example.com"})
        assert_modelled(shared_app, "create_customer", response.content)
        assert_documented(response.json(), DOCUMENTED["create_customer"], "create_customer")
