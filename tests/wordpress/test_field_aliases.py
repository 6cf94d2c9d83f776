"""The live plugin's names on input.

See docs/decisions.md#74-field-names-of-the-plugin.
"""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.enums import BulkActionName
from fluent_cart.schemas.customer_filters import CustomerFilters
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.settings import Settings
from fluent_cart.wordpress.field_aliases import BULK_ACTIONS, FILTERS, NAMES, apply_aliases
from tests.conftest import MakeAddress, MakeCustomer
from tests.contract.test_permissions import OPERATIONS
from tests.support.errors import assert_error


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because names are read before any query."""
    return sqlite_settings


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customers 1 and 2, of whom customer 1 has the addresses 1 to 3."""
    for number in (1, 2):
        await make_customer(email=f"customer{number}@example.com", first_name="Ann", last_name="Lee")
    for city in ("Rome", "Oslo", "Bonn"):
        await make_address(1, city=city)


class TestTable:
    def test_alias_table_names_existing_operations(self) -> None:
        documented = {operation for *_, operation in OPERATIONS}
        assert set(NAMES) - documented == {"list_orders_as_the_plugin"}

    def test_alias_table_has_every_filter(self) -> None:
        assert tuple(CustomerFilters.model_fields) == FILTERS
        assert set(FILTERS).isdisjoint(CustomerListQuery.model_fields)

    def test_aliases_do_not_change_additional_info(self) -> None:
        assert "update_additional_info" not in NAMES

    def test_id_is_an_alias_for_addresses_only(self) -> None:
        assert [operation for operation, names in NAMES.items() if "id" in names] == ["update_address"]

    def test_aliases_of_bulk_actions_name_existing_actions(self) -> None:
        assert set(BULK_ACTIONS.values()) <= set(BulkActionName)

    def test_aliases_are_not_in_the_document(self, shared_app: FastAPI) -> None:
        text = str(shared_app.openapi())
        for name in ("sort_by", "sort_type", "addressId", "full_name", "new_status", *BULK_ACTIONS):
            assert name not in text


NAME, INACTIVE = {"first_name": "Ann", "last_name": "Lee"}, {"status": "inactive"}
# Operation, input with aliases, and the documented input.
READ: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("list_customers", {"sort_by": "ltv"}, {"order_by": "total_spent"}),
    ("list_customers", {"sort_by": "purchase_count"}, {"order_by": "order_count"}),
    ("list_customers", {"sort_by": "purchase_value"}, {"order_by": "total_spent"}),
    ("list_customers", {"sort_type": "asc"}, {"order_type": "asc"}),
    ("export_customers", {"sort_by": "ltv"}, {"order_by": "total_spent"}),
    ("list_customers", {"sort_by": "email"}, {"order_by": "email"}),
    ("list_customers", {"sort_by": ["id"]}, {"order_by": ["id"]}),
    ("list_customers", {"sort_by": "ltv", "order_by": "id"}, {"order_by": "id"}),
    ("list_customers", {"order_by": "ltv"}, {"order_by": "ltv"}),
    ("list_customers", {"status": "active"}, {"filters": {"status": "active"}}),
    ("list_customers", {"date_from": "2024-01-01"}, {"filters": {"date_from": "2024-01-01"}}),
    ("export_customers", {"date_to": ""}, {"filters": {"date_to": ""}}),
    (
        "list_customers", {"total_spent_min": "1", "total_spent_max": "2", "filters": INACTIVE},
        {"filters": {"total_spent_min": "1", "total_spent_max": "2", **INACTIVE}},
    ),
    ("list_customers", {"status": "active", "filters": INACTIVE}, {"filters": INACTIVE}),
    ("list_customers", {"status": "active", "filters": '{"status": "x"}'}, {"filters": '{"status": "x"}'}),
    ("list_customers", {"status": "active", "filters": {"status": ""}}, {"filters": {"status": "active"}}),
    ("list_customers", {"status": "active", "filters": []}, {"filters": {"status": "active"}}),
    ("list_customers", {"status": "active", "filters": " "}, {"filters": {"status": "active"}}),
    ("list_customers", {"status": "active", "filters": "{"}, {"filters": "{"}),
    ("list_customers", {"status": "active", "filters": [1]}, {"filters": [1]}),
    ("list_customer_orders", {"sort_by": "id", "sort_type": "asc"}, {"order_by": "id", "order_type": "asc"}),
    ("create_customer", {"full_name": "Ann Lee"}, {"first_name": "Ann", "last_name": "Lee"}),
    ("create_customer", {"full_name": " Ann van  der Lee "}, NAME | {"first_name": "Ann van  der"}),
    ("create_customer", {"full_name": "Madonna"}, {"first_name": "Madonna", "last_name": ""}),
    ("create_customer", {"full_name": "Ann Lee", "first_name": "Eve"}, {"first_name": "Eve"}),
    ("create_customer", {"full_name": "Ann Lee", "last_name": ""}, {"last_name": ""}),
    ("create_customer", {"full_name": "Ann Lee", "name": "Eve Fox"}, NAME),
    ("create_customer", {"full_name": 1}, {"first_name": 1}),
    ("update_customer", {"name": "Ann Lee", "id": 9}, {"full_name": NAME}),
    ("update_customer", {"name": "Eve Fox", "full_name": "Ann Lee", **NAME}, {"full_name": NAME, **NAME}),
    ("update_customer", {"full_name": {"a": 1}}, {"full_name": {"first_name": {"a": 1}}}),
    ("create_address", {"name": "Ann Lee", "address": {"id": 9}}, {"first_name": "Ann", "last_name": "Lee"}),
    ("update_address", {"id": 1, "name": "Ann Lee"}, {"address_id": 1, "full_name": NAME}),
    ("update_address", {"id": 1, "address_id": 2}, {"address_id": 2}),
    ("update_address", {"id": 1, "addressId": 2, "address": {"id": 3}}, {"address_id": 2}),
    ("delete_address", {"address": {"id": "3"}}, {"address_id": "3"}),
    ("delete_address", {"address": {"id": "3"}, "address_id": 2}, {"address_id": 2}),
    ("delete_address", {"address": "3"}, {}),
    ("delete_address", {"address": {}}, {}),
    ("delete_address", {"id": 3}, {}),
    ("make_address_primary", {"addressId": 2, "type": "shipping"}, {"address_id": 2}),
    ("do_bulk_action", {"action": "delete_customers"}, {"action": "delete"}),
    ("do_bulk_action", {"action": "export"}, {"action": "export"}),
    ("do_bulk_action", {"action": ["delete_customers"]}, {"action": ["delete_customers"]}),
    (
        "do_bulk_action", {"action": "change_customer_status", "new_status": "active"},
        {"action": "update_status", "data": {"status": "active"}},
    ),
    ("do_bulk_action", {"new_status": "active", "data": INACTIVE}, {"data": INACTIVE}),
    (
        "do_bulk_action", {"new_status": "active", "data": {"format": "csv"}},
        {"data": {"status": "active", "format": "csv"}},
    ),
    ("do_bulk_action", {"new_status": "active", "data": []}, {"data": {"status": "active"}}),
    ("do_bulk_action", {"new_status": "active", "data": "x"}, {"data": "x"}),
]  # fmt: skip
CONTRACTS = {
    "order_by",
    "order_type",
    "filters",
    "first_name",
    "last_name",
    "address_id",
    "action",
    "data",
    "customer_ids",
}


@pytest.mark.parametrize(("operation", "sent", "expected"), READ)
def test_alias_becomes_the_documented_name(
    operation: str, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = repr(sent)
    read = apply_aliases(sent, NAMES[operation])
    # The service reads it in an update, because it knows the stored row.
    known = CONTRACTS | {"full_name"} if operation.startswith("update") else CONTRACTS
    assert {name: value for name, value in read.items() if name in known} == expected
    assert repr(sent) == before


def test_input_without_aliases_is_not_copied() -> None:
    sent = {"phone": "1", "first_name": "Ann"}
    for operation, names in NAMES.items():
        if operation != "do_bulk_action":
            assert apply_aliases(sent, names) is sent


class TestOverHttp:
    """As the plugin's own clients send them: JSON, forms and queries with PHP's brackets."""

    async def test_plugin_names_of_sorting_work(self, shop: None, viewer: httpx.AsyncClient) -> None:
        for query in (
            "sort_by=email&sort_type=asc",
            "order_by=email&order_type=asc&sort_by=id&sort_type=desc",
        ):
            found = (await viewer.get(f"?{query}")).json()["data"]["customers"]
            assert [each["id"] for each in found] == [1, 2]
        refused = await viewer.get("?sort_by=password")
        assert_error(refused, 422, "validation_error")
        assert list(refused.json()["error"]["details"]) == ["order_by"]

    async def test_plugin_names_of_customers_work(self, shop: None, manager: httpx.AsyncClient) -> None:
        body = {"full_name": "Full Name Here", "email": "new@example.com", "id": 77}
        made = (await manager.post("", json=body)).json()["data"]["customer"]
        assert (made["id"], made["first_name"], made["last_name"]) == (3, "Full Name", "Here")
        changed = (await manager.put("/3", data={"full_name": "Prince", "id": "1"})).json()["data"][
            "customer"
        ]
        assert (changed["id"], changed["first_name"], changed["last_name"]) == (3, "Prince", "")
        refused = await manager.put("/3", json={"full_name": {"a": 1}})
        assert_error(refused, 422, "validation_error")

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            # The plugin's edit form: the parts are those that are stored.
            ({"full_name": "Ada Lovelace", "first_name": "Ann", "last_name": "Lee"}, ("Ada", "Lovelace")),
            # A program changed a part of a name, and left the full name as it was.
            ({"full_name": "Ann Lee", "first_name": "Ann", "last_name": "King"}, ("Ann", "King")),
            ({"full_name": "Ann Lee", "last_name": "King"}, ("Ann", "King")),
            ({"full_name": "Ada Lovelace", "last_name": "King"}, ("Ann", "King")),
            ({"name": "Ada Lovelace", "first_name": "Ann"}, ("Ada", "Lovelace")),
            ({"full_name": "Ann  Lee ", "first_name": "Ann", "last_name": "Lee"}, ("Ann", "Lee")),
        ],
    )
    async def test_changed_part_of_a_full_name_is_stored(
        self, shop: None, manager: httpx.AsyncClient, sent: dict[str, Any], expected: tuple[str, str]
    ) -> None:
        for path, body, member in (("/1", sent, "customer"), ("/1/address", sent | {"id": 1}, "address")):
            before = {"first_name": "Ann", "last_name": "Lee", "address_id": 1}
            await manager.put(path, json=before)
            changed = (await manager.put(path, json=body)).json()["data"][member]
            assert (changed["first_name"], changed["last_name"]) == expected

    async def test_full_name_that_is_stored_is_not_split_again(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.put("/1", json={"first_name": "Ann", "last_name": "van der Lee"})
        changed = await manager.put("/1", json={"full_name": "Ann van der Lee"})
        assert changed.json()["data"]["customer"]["last_name"] == "van der Lee"

    async def test_plain_filters_are_combined_with_the_filters_parameter(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.put("/2", json={"status": "inactive"})
        for query, ids in (
            ("status=inactive", [2]),
            ("date_from=2030-01-01", []),
            ("total_spent_min=0&filters[status]=active", [1]),
            ('total_spent_min=0&filters={"status":"active"}', [1]),
            ("status=", [2, 1]),
            ("email=Customer2@example.com", [2]),
            ("ids=2", [2]),
            ("ids[]=1", [1]),
            ("country=DE", []),
        ):
            found = (await manager.get(f"?{query}")).json()["data"]["customers"]
            assert [each["id"] for each in found] == ids, query
        refused = await manager.get("?status=gone")
        assert list(refused.json()["error"]["details"]) == ["filters.status"]

    async def test_plugin_names_of_addresses_work(self, shop: None, manager: httpx.AsyncClient) -> None:
        body = {
            "name": "Ann Lee",
            "email": "a@example.com",
            "address_1": "1 St",
            "city": "Ulm",
            "country": "DE",
        }
        made = (await manager.post("/1/address", json=body)).json()["data"]["address"]
        assert (made["first_name"], made["last_name"]) == ("Ann", "Lee")
        changed = await manager.put("/1/address", json={"id": made["id"], "name": "Eve", "city": "Kiel"})
        address = changed.json()["data"]["address"]
        assert (address["id"], address["first_name"], address["city"]) == (made["id"], "Eve", "Kiel")

    @pytest.mark.parametrize(
        "request_",
        [
            {"json": {"address": {"id": 2}}},
            {"params": {"address[id]": 2}},
            {"data": {"address[id]": "2"}},
            {"json": {"addressId": "2"}},
            {"params": {"addressId": 2}, "json": {"query_timestamp": 1}},
            # The contract's name wins, wherever it is.
            {"params": {"address_id": 2}, "json": {"address": {"id": 3}, "addressId": 3}},
        ],
    )  # fmt: skip
    async def test_plugin_names_of_deletion_work(
        self, shop: None, manager: httpx.AsyncClient, request_: dict[str, Any]
    ) -> None:
        answer = await manager.request("DELETE", "/1/address", **request_)
        assert answer.json() == {"success": True, "message": "Address deleted successfully"}
        left = (await manager.get("/1/address")).json()["data"]["addresses"]
        assert [each["id"] for each in left] == [1, 3]

    async def test_plugin_names_of_the_primary_address_work(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await manager.post("/1/address/make-primary", json={"addressId": 2, "type": "billing"})
        assert answer.json()["data"]["address"]["id"] == 2

    async def test_address_under_the_name_of_another_type_is_not_found(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        for method, path in (("POST", "/1/address/make-primary"), ("DELETE", "/1/address")):
            body = {"address_id": 2, "type": "shipping"}
            refused = await manager.request(method, path, json=body)
            assert_error(refused, 404, "address_not_found", "Address with ID 2 not found")
            assert_error(
                await manager.request(method, path, json=body | {"type": "x"}), 422, "validation_error"
            )
            assert (await manager.request(method, path, json=body | {"type": ""})).status_code == 200

    async def test_plugin_names_of_bulk_actions_work(self, shop: None, manager: httpx.AsyncClient) -> None:
        body = {"action": "change_customer_status", "customer_ids": ["1", "2"], "new_status": "inactive"}
        assert (await manager.post("/do-bulk-action", json=body)).json()["data"]["processed"] == 2
        assert (await manager.get("/1")).json()["data"]["customer"]["status"] == "inactive"
        form = {"action": "delete_customers", "customer_ids[0]": "2"}
        assert (await manager.post("/do-bulk-action", data=form)).json()["data"]["processed"] == 1
        assert_error(await manager.get("/2"), 404, "customer_not_found")
        refused = await manager.post("/do-bulk-action", json=body | {"new_status": "gone"})
        assert list(refused.json()["error"]["details"]) == ["data.status"]

    async def test_keys_of_additional_info_are_not_renamed(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        info = {
            "id": 1,
            "name": "A B",
            "full_name": "C D",
            "address": {"id": 2},
            "labels": [1],
            "new_status": "x",
        }
        answer = await manager.put("/1/additional-info?name=query&addressId=1", json=info)
        assert answer.json()["data"]["customer"]["additional_info"] == info
        customer = (await manager.get("/1")).json()["data"]["customer"]
        assert (customer["first_name"], customer["last_name"]) == ("Ann", "Lee")

    async def test_repeated_request_is_the_same_by_any_name(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        key = {"Idempotency-Key": "k"}
        for body in ({"addressId": 2}, {"address_id": 2}, {"address": {"id": "2"}}):
            answer = await manager.post("/1/address/make-primary", json=body, headers=key)
            assert answer.json()["data"]["address"]["id"] == 2
        assert answer.headers["idempotency-replayed"] == "true"
