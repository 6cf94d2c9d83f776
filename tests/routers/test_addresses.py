"""/customers/{customerId}/address and make-primary.

See docs/decisions.md#18-fields-of-an-address and #19-primary-address.
"""

from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, insert, update

from fluent_cart.database import Database
from fluent_cart.models import Address
from fluent_cart.services.addresses import MAX_ADDRESSES
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.support.errors import assert_error

LONG_AGO = "2020-01-01T00:00:00Z"
PLACE = {"address_1": "1 Main St", "city": "Rome", "country": "IT"}


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress, database: Database) -> None:
    """Customer 1 has the addresses 1, 2 and 3, and customer 2 has address 4. All of them are old."""
    for email in ("one@example.com", "two@example.com"):
        await make_customer(email=email)
    for customer_id in (1, 1, 1, 2):
        await make_address(customer_id)

    def age(connection: Connection) -> None:
        connection.execute(update(Address).values(updated_at=LONG_AGO))

    await database.write(age)


async def stored(database: Database) -> dict[int, dict[str, Any]]:
    return {address["id"]: address for address in await database.scan(rows, Address)}


async def primary(database: Database, customer_id: int = 1) -> list[int]:
    return [
        address["id"]
        for address in (await stored(database)).values()
        if address["is_primary"] and address["customer_id"] == customer_id
    ]


async def touched(database: Database) -> set[int]:
    """Return which addresses have changed since the shop was made."""
    return {
        number for number, address in (await stored(database)).items() if address["updated_at"] != LONG_AGO
    }


class TestList:
    async def test_address_list_is_oldest_first_and_of_one_customer(
        self, shop: None, viewer: httpx.AsyncClient
    ) -> None:
        for customer_id, ids in ((1, [1, 2, 3]), (2, [4])):
            addresses = (await viewer.get(f"/{customer_id}/address")).json()["data"]["addresses"]
            assert [address["id"] for address in addresses] == ids

    async def test_address_list_of_a_type_has_no_other_addresses(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await manager.put("/1/address", json={"address_id": 2, "type": "shipping"})
        await manager.put("/2/address", json={"address_id": 4, "type": "shipping"})
        for query, ids in (("type=shipping", [2]), ("type=billing", [1, 3]), ("type=", [1, 2, 3])):
            addresses = (await manager.get(f"/1/address?{query}")).json()["data"]["addresses"]
            assert [address["id"] for address in addresses] == ids
        assert (await manager.get("/2/address?type=billing")).json()["data"]["addresses"] == []
        assert_error(await manager.get("/1/address?type=home"), 422, "validation_error")
        assert_error(await manager.get("/9/address?type=billing"), 404, "customer_not_found")


class TestCreate:
    async def test_first_address_gets_defaults_and_is_primary(
        self, manager: httpx.AsyncClient, make_customer: MakeCustomer, database: Database
    ) -> None:
        await make_customer(email="one@example.com")
        answer = await manager.post("/1/address", json=PLACE | {"country": " it "})
        address = answer.json()["data"]["address"]
        assert address == {
            "id": 1, "type": "billing", "first_name": "", "last_name": "", **PLACE, "state": "",
            "postcode": "", "created_at": address["created_at"], "address_2": None,
            "company_name": None, "phone": None,
        }  # fmt: skip
        row = (await stored(database))[1]
        assert row["is_primary"] is True
        assert row["updated_at"] == row["created_at"] == address["created_at"]

    async def test_address_over_the_limit_is_rejected(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        """An import may have stored more: those stay readable, and can be changed and deleted."""

        def fill(connection: Connection, number: int) -> None:
            [row] = [row for row in rows(connection, Address) if row["id"] == 2]
            connection.execute(insert(Address), [{**row, "id": 100 + place} for place in range(number)])

        await database.write(fill, MAX_ADDRESSES - 3 - 1)
        assert (await manager.post("/1/address", json=PLACE)).status_code == 200
        for sent in (PLACE, PLACE | {"is_primary": True}):
            details = {"addresses": ["A customer has at most 250 addresses. Delete one, or update one"]}
            answer = await manager.post("/1/address", json=sent)
            assert_error(answer, 422, "validation_error", details=details)
        assert len((await manager.get("/1")).json()["data"]["customer"]["addresses"]) == MAX_ADDRESSES
        assert await primary(database) == [1]
        assert (await manager.post("/2/address", json=PLACE)).status_code == 200
        assert (await manager.put("/1/address", json={"address_id": 2, "city": "Oslo"})).status_code == 200
        assert (await manager.request("DELETE", "/1/address", json={"address_id": 2})).status_code == 200
        assert (await manager.post("/1/address", json=PLACE)).status_code == 200

    async def test_second_address_is_primary_only_on_request(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.post("/1/address", json=PLACE)
        assert (await primary(database), await touched(database)) == ([1], {5})
        await manager.post("/1/address", json=PLACE | {"is_primary": True, "type": "shipping"})
        assert (await primary(database), await touched(database)) == ([6], {1, 5, 6})
        assert await primary(database, customer_id=2) == [4]

    @pytest.mark.parametrize("field", PLACE)
    async def test_address_without_street_city_and_country_is_rejected(
        self, shop: None, manager: httpx.AsyncClient, field: str
    ) -> None:
        for body in ({**PLACE, field: " "}, {name: value for name, value in PLACE.items() if name != field}):
            answer = await manager.post("/1/address", json=body)
            assert_error(answer, 422, "validation_error")
            assert list(answer.json()["error"]["details"]) == [field]


class TestUpdate:
    async def test_update_changes_only_the_fields_that_are_sent(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        before = (await stored(database))[2]
        sent = {"address_id": 2, "city": "Oslo", "country": "no", "phone": " 5 ", "type": "shipping"}
        answer = await manager.put("/1/address", json=sent)
        after = (await stored(database))[2]
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"city", "country", "phone", "type", "updated_at"}
        assert answer.json()["data"]["address"] == {
            "id": 2, "first_name": "", "last_name": "", "address_1": "1 Main St", "city": "Oslo", "state": "",
            "postcode": "", "country": "NO", "updated_at": after["updated_at"], "address_2": None,
            "company_name": None, "phone": "5",
        }  # fmt: skip
        assert await touched(database) == {2}

    @pytest.mark.parametrize("body", [{}, {"city": "New York"}, {"is_primary": False}, {"phone": None}])
    async def test_update_without_a_change_keeps_updated_at(
        self, shop: None, manager: httpx.AsyncClient, database: Database, body: dict[str, Any]
    ) -> None:
        answer = await manager.put("/1/address", json={"address_id": 2, **body})
        assert answer.json()["data"]["address"]["updated_at"] == LONG_AGO
        assert await touched(database) == set()

    async def test_update_can_make_an_address_primary(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.put("/1/address", json={"address_id": 3, "is_primary": True})
        assert (await primary(database), await touched(database)) == ([3], {1, 3})

    async def test_update_does_not_leave_a_customer_without_a_primary(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        refused = await manager.put("/1/address", json={"address_id": 1, "is_primary": False, "city": "Oslo"})
        details = {"is_primary": ["Make another address the primary one instead"]}
        assert_error(refused, 422, "validation_error", details=details)
        assert await touched(database) == set()

    @pytest.mark.parametrize("field", ["address_1", "city", "country", "first_name", "type"])
    async def test_update_of_a_required_address_field_to_null_is_rejected(
        self, shop: None, manager: httpx.AsyncClient, database: Database, field: str
    ) -> None:
        assert_error(
            await manager.put("/1/address", json={"address_id": 1, field: None}), 422, "validation_error"
        )
        assert await touched(database) == set()


class TestDelete:
    async def test_deleting_the_primary_address_promotes_the_oldest(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        for address_id, left in ((1, [2]), (2, [3]), (3, [])):
            answer = await manager.request("DELETE", "/1/address", json={"address_id": address_id})
            assert answer.json() == {"success": True, "message": "Address deleted successfully"}
            assert await primary(database) == left
        assert set(await stored(database)) == {4}

    async def test_deleting_another_address_keeps_the_primary(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.delete("/1/address?address_id=3")
        assert (await primary(database), await touched(database)) == ([1], set())


class TestMakePrimary:
    async def test_make_primary_replaces_the_primary_address(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        answer = await manager.post("/1/address/make-primary", json={"address_id": 2})
        address = answer.json()["data"]["address"]
        assert address == {
            "id": 2, "is_primary": True, "updated_at": address["updated_at"], "address_2": None,
            "company_name": None, "phone": None,
        }  # fmt: skip
        assert (await primary(database), await touched(database)) == ([2], {1, 2})

    async def test_make_primary_of_the_primary_address_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        answer = await manager.post("/1/address/make-primary", json={"address_id": 1})
        assert answer.json()["data"]["address"]["updated_at"] == LONG_AGO
        assert await touched(database) == set()


async def test_address_is_out_of_reach_through_another_customer(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    """Address 4 is customer 2's. Through customer 1 the response is the same as for 999."""
    before = await stored(database)
    for method, path in (
        ("PUT", "/1/address"),
        ("DELETE", "/1/address"),
        ("POST", "/1/address/make-primary"),
    ):
        for address_id in (4, 999):
            answer = await manager.request(method, path, json={"address_id": address_id, "city": "Oslo"})
            assert_error(answer, 404, "address_not_found", f"Address with ID {address_id} not found")
    assert await stored(database) == before
