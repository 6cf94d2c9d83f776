"""Personal data: everything that the shop holds about a customer, and nothing of others.

See docs/decisions.md#186-personal-data-and-erasure.
"""

from typing import Any

import httpx

from fluent_cart.database import Database
from fluent_cart.models import Address, Customer, Order
from fluent_cart.services import orders
from fluent_cart.services.erasure import erase_customer
from fluent_cart.services.personal_data import get_personal_data
from tests.conftest import rows

PLACE = {"address_1": "1 Main St", "city": "Rome", "country": "IT"}
# How rows are searched and compared, which follows from other columns.
DERIVED = {
    "mailbox_key",
    "phone_key",
    "search_text",
    "email_key",
    "first_name_key",
    "last_name_key",
    "first_order_at",
    "last_order_at",
}


async def fill(manager: httpx.AsyncClient, database: Database) -> None:
    """Make customers 1 and 2, each with all that a customer can have."""
    for number, role in ((1, 4), (2, 5)):
        email = {"email": f"{number}@example.com", "additional_info": {"vat": f"DE{number}"}}
        await manager.post("", json=email, headers={"Idempotency-Key": f"new {number}"})
        await manager.post(f"/{number}/address", json=PLACE)
        await manager.post(f"/{number}/attachable-user", json={"user_id": role})
        order = {
            "customer_id": number, "status": "completed", "payment_status": "paid", "currency": "USD",
            "total_amount": 100, "total_paid": 100, "total_refund": 0, "created_at": "2024-01-01T10:00:00Z",
        }  # fmt: skip
        await database.write(orders.record_order, order)


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


async def test_personal_data_has_every_column_of_every_row_about_the_customer(
    manager: httpx.AsyncClient, database: Database
) -> None:
    await fill(manager, database)
    data = (await manager.get("/1/personal-data")).json()["data"]
    [customer, _] = await database.scan(rows, Customer)
    assert data["customer"] == without(customer, *DERIVED)
    assert data["stats"]["first_order_date"] == data["stats"]["last_order_date"] == "2024-01-01T10:00:00Z"
    for name, table in (("addresses", Address), ("orders", Order)):
        [own, _] = await database.scan(rows, table)
        assert data[name] == [without(own, "customer_id")]
    user = data["user"]
    assert (user["id"], user["login"], user["email"]) == (4, "worker", "worker@shop.example")
    assert [password["name"] for password in user["application_passwords"]] == ["test"]
    assert {change["kind"] for change in data["changes"]} == {"created", "updated"}
    [kept] = data["kept_answers"]
    assert (kept["request"], kept["key"], kept["status"]) == (
        "POST /wp-json/fluent-cart/v2/customers", "new 1", 200,
    )  # fmt: skip
    assert kept["body"]["data"]["customer"]["email"] == "1@example.com"


async def test_personal_data_has_no_password_and_no_row_of_another_customer(
    manager: httpx.AsyncClient, database: Database
) -> None:
    await fill(manager, database)
    text = (await manager.get("/1/personal-data")).text
    for other in ("2@example.com", "DE2", "accountant", "new 2", "password_hash", "token", "search_text"):
        assert other not in text, other


async def test_personal_data_of_an_erased_customer_has_no_name_or_address(
    manager: httpx.AsyncClient, database: Database
) -> None:
    await fill(manager, database)
    await database.write(erase_customer, 1)
    data = await database.scan(get_personal_data, 1)
    assert (data["user"], data["addresses"], data["kept_answers"]) == (None, [], [])
    assert len(data["orders"]) == 1
    assert "erased" in {change["kind"] for change in data["changes"]}
    assert "1@example.com" not in repr(data)
