"""Guarantee B4: a caller cannot set fields that belong to the server."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.models import Address, Customer, Order, User
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.contract.test_permissions import BODIES, OPERATIONS, url

# Of no row, and so easily found if one of them got into it.
NUMBER, TEXT, TIME = 770_077, "smuggled in", "2001-01-01T00:00:00Z"
OTHERS = 2
SMUGGLED: dict[str, Any] = {
    "id": NUMBER, "ID": NUMBER, "customer_id": OTHERS, "customerId": OTHERS, "user_id": NUMBER,
    "user": {"id": NUMBER},
    "total_spent": NUMBER, "order_count": NUMBER, "average_order_value": NUMBER, "orders": [{"id": NUMBER}],
    "first_order_at": TIME, "last_order_at": TIME, "first_order_date": TIME, "last_order_date": TIME,
    "created_at": TIME, "updated_at": TIME, "search_text": TEXT, "phone_digits": TEXT,
    "addresses": [{"id": NUMBER, "city": TEXT}], "role": TEXT, "permissions": [TEXT], "login": TEXT,
    "password_hash": TEXT, "additional": {"info": TEXT}, "count": NUMBER,
}  # fmt: skip
# Every key of additional info is the caller's own.
WRITES = [each for each in OPERATIONS if each[0] != "GET" and each[2] != "update_additional_info"]


async def everything(database: Database) -> list[list[dict[str, Any]]]:
    return [await database.scan(rows, table) for table in (Customer, Address, Order, User)]


def smuggled(operation: str) -> dict[str, Any]:
    """Return the fields that do not belong into the body of an operation."""
    return {name: value for name, value in SMUGGLED.items() if name not in BODIES.get(operation, {})}


async def send(client: httpx.AsyncClient, way: str, method: str, path: str, operation: str) -> httpx.Response:
    body, extra = BODIES.get(operation, {}), smuggled(operation)
    if way == "JSON":
        return await client.request(method, url(path), json=extra | body)
    if way == "query":
        simple = {name: value for name, value in extra.items() if isinstance(value, (int, str))}
        return await client.request(method, f"{url(path)}?{urlencode(simple)}", json=body)
    flat = {name: value for name, value in (extra | body).items() if isinstance(value, (int, str))}
    # Bulk actions have members within members.
    flat |= {"customer_ids[]": 1, "data[status]": "inactive", "data[id]": NUMBER, "data[user_id]": NUMBER}
    return await client.request(method, url(path), data=flat)


@pytest.mark.parametrize("way", ["JSON", "form", "query"])
@pytest.mark.parametrize(("method", "path", "operation"), WRITES, ids=[operation for *_, operation in WRITES])
async def test_extra_fields_do_not_change_values_of_the_server(
    way: str,
    method: str,
    path: str,
    operation: str,
    database: Database,
    manager: httpx.AsyncClient,
    make_customer: MakeCustomer,
    make_address: MakeAddress,
) -> None:
    for name in ("mine", "theirs"):
        customer = await make_customer(email=f"{name}@example.com")
        await make_address(customer["id"])
        await make_address(customer["id"], type="shipping")
    before = await everything(database)

    answer = await send(manager, way, method, path, operation)

    # A misspelt name of a batch is an error.
    is_rejected = operation == "batch_customers" and way != "query"
    assert answer.status_code == (422 if is_rejected else 200)
    customers, addresses, orders, users = await everything(database)
    values = [value for table in (customers, addresses) for row in table for value in row.values()]
    assert not {NUMBER, TEXT, TIME} & {value for value in values if isinstance(value, (int, str))}
    assert [orders, users] == before[2:]
    assert [row for row in customers if row["id"] == OTHERS] == [before[0][1]]
    assert [row for row in addresses if row["customer_id"] == OTHERS] == before[1][2:]
