"""/customers/attachable-user, attaching and detaching.

See docs/decisions.md#20-attachable-users.
"""

import httpx
import pytest
from sqlalchemy import Connection, update

from fluent_cart.database import Database
from fluent_cart.models import Customer
from fluent_cart.services import users
from tests.conftest import ROLES, MakeCustomer, rows
from tests.support.errors import assert_error

LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
async def shop(make_customer: MakeCustomer, database: Database) -> None:
    """Customers 1 and 2, both old. The users of the tests have the ids 1 to 6."""
    for email in ("one@example.com", "two@example.com"):
        await make_customer(email=email)

    def age(connection: Connection) -> None:
        connection.execute(update(Customer).values(updated_at=LONG_AGO))

    await database.write(age)


async def attachable(client: httpx.AsyncClient, query: str = "") -> list[int]:
    return [user["id"] for user in (await client.get(f"/attachable-user{query}")).json()["data"]["users"]]


async def owners(database: Database) -> dict[int, int | None]:
    return {customer["id"]: customer["user_id"] for customer in await database.scan(rows, Customer)}


class TestList:
    async def test_attachable_users_have_no_customer(self, shop: None, manager: httpx.AsyncClient) -> None:
        await manager.post("/1/attachable-user", json={"user_id": 2})
        answer = await manager.get("/attachable-user")
        users_ = answer.json()["data"]["users"]
        assert [user["id"] for user in users_] == [1, 3, 4, 5, 6]
        assert users_[0] == {
            "id": 1, "display_name": "Administrator", "user_email": "administrator@shop.example",
            "user_login": "administrator",
        }  # fmt: skip
        assert answer.headers["x-wp-total"] == "5"
        await manager.post("/1/detach-user")
        assert await attachable(manager) == [1, 2, 3, 4, 5, 6]

    async def test_attachable_users_can_be_paged_and_searched(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await database.write(users.create_user, "zoe", "z@example.com", "Zo\u00eb M\u00fcller", "subscriber")
        assert await attachable(manager, "?per_page=3&page=2") == [4, 5, 6]
        for term, found in (
            ("zoe", [7]), ("MULLER zo", [7]), ("z@ex", [7]), ("admin", [1, 2]), ("7", [7]), ("%", []),
            ("a_m", []),
        ):  # fmt: skip
            query = httpx.QueryParams({"search": term})
            assert await attachable(manager, f"?{query}") == found, term


class TestAttach:
    async def test_attach_stores_and_returns_the_user(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        answer = await manager.post("/1/attachable-user", json={"user_id": 3})
        customer = answer.json()["data"]["customer"]
        assert customer == {"id": 1, "user_id": 3, "updated_at": customer["updated_at"]}
        assert customer["updated_at"] > LONG_AGO
        assert await owners(database) == {1: 3, 2: None}

    async def test_attaching_the_same_user_again_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        first = await manager.post("/1/attachable-user", json={"user_id": 3})
        again = await manager.post("/1/attachable-user", json={"user_id": "3"})
        assert again.json() == first.json()

    async def test_attach_rejects_a_second_partner(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.post("/1/attachable-user", json={"user_id": 3})
        for path, user_id, text in (
            ("/2/attachable-user", 3, "The user is attached to another customer"),
            ("/1/attachable-user", 4, "The customer is attached to another user"),
            ("/2/attachable-user", 99, "WordPress user with ID 99 not found"),
        ):
            assert_error(await manager.post(path, json={"user_id": user_id}), 422, "invalid_user", text)
        assert await owners(database) == {1: 3, 2: None}


class TestDetach:
    async def test_detached_user_can_be_attached_again(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.post("/1/attachable-user", json={"user_id": 3})
        answer = await manager.post("/1/detach-user")
        customer = answer.json()["data"]["customer"]
        assert customer == {"id": 1, "user_id": None, "updated_at": customer["updated_at"]}
        assert await owners(database) == {1: None, 2: None}
        assert (await manager.post("/2/attachable-user", json={"user_id": 3})).status_code == 200

    async def test_detach_without_a_user_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await manager.post("/1/detach-user")
        assert answer.json()["data"]["customer"] == {"id": 1, "user_id": None, "updated_at": LONG_AGO}

    async def test_customer_is_detached_when_its_user_is_deleted(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        await manager.post("/1/attachable-user", json={"user_id": 6})
        await database.write(users.delete_user, ROLES[5])
        assert await owners(database) == {1: None, 2: None}
