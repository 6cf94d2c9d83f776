"""Requests at the same time, to one process and to two on the same shop: nothing lost, no rule broken."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection

from fluent_cart.app import create_app
from fluent_cart.database import Database, connect, create_database
from fluent_cart.models import Address, Customer, IdempotencyKey, Order, User
from fluent_cart.services import idempotency_keys, orders, users
from fluent_cart.services.idempotency_keys import Answer, Attempt
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials, rows
from tests.support import postgres
from tests.support.errors import assert_error

AT_ONCE = 50

Caller = httpx.AsyncClient


@pytest.fixture
async def callers(settings: Settings, manager: httpx.AsyncClient) -> AsyncIterator[list[Caller]]:
    """Managers at two processes of one shop, in turns. The second process has its own application."""
    other = create_app(settings)
    async with (
        other.router.lifespan_context(other),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(other),
            base_url=f"http://shop.example{PREFIX}",
            auth=credentials("manager"),
        ) as elsewhere,
    ):
        yield [manager, elsewhere] * (AT_ONCE // 2)


async def all_at_once(requests: list[Any]) -> Counter[tuple[int, str]]:
    """Send the requests at once. Count the responses by status and error code."""
    answers = await asyncio.gather(*requests)
    return Counter((answer.status_code, answer.json().get("code", "")) for answer in answers)


async def test_creates_of_one_address_in_mixed_case_leave_one_customer(
    callers: list[Caller], database: Database
) -> None:
    email = "john.doe@example.com"
    canonical_names = [
        "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate(email))
        for number in range(AT_ONCE)
    ]
    answers = await all_at_once(
        [caller.post("", json={"email": each}) for caller, each in zip(callers, canonical_names, strict=True)]
    )
    assert answers == {(200, ""): 1, (422, "invalid_email"): AT_ONCE - 1}
    assert len(await database.scan(rows, Customer)) == 1


async def test_updates_to_one_address_leave_it_with_one_customer(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    for number in range(AT_ONCE):
        await make_customer(email=f"{number}@example.com")
    answers = await all_at_once(
        [
            caller.put(f"/{customer_id}", json={"email": "Wanted@example.com"})
            for customer_id, caller in enumerate(callers, start=1)
        ]
    )
    assert answers == {(200, ""): 1, (422, "invalid_email"): AT_ONCE - 1}
    emails = [customer["email"] for customer in await database.scan(rows, Customer)]
    assert emails.count("Wanted@example.com") == 1
    assert len(set(emails)) == AT_ONCE


class TestAddresses:
    @pytest.fixture
    async def address_ids(self, make_customer: MakeCustomer, make_address: MakeAddress) -> list[int]:
        """Ten addresses of customer 1."""
        await make_customer(email="customer@example.com")
        return [(await make_address(1))["id"] for _ in range(10)]

    @staticmethod
    async def primary(database: Database) -> list[int]:
        return [each["id"] for each in await database.scan(rows, Address) if each["is_primary"]]

    async def test_addresses_made_primary_at_once_leave_one_primary_address(
        self, callers: list[Caller], database: Database, address_ids: list[int]
    ) -> None:
        answers = await all_at_once(
            [
                caller.post("/1/address/make-primary", json={"address_id": address_ids[number % 10]})
                for number, caller in enumerate(callers)
            ]
        )
        assert answers == {(200, ""): AT_ONCE}
        assert len(await self.primary(database)) == 1

    async def test_addresses_created_as_primary_at_once_leave_one_primary_address(
        self, callers: list[Caller], database: Database, make_customer: MakeCustomer
    ) -> None:
        await make_customer(email="customer@example.com")
        place = {"address_1": "1 Main St", "city": "Rome", "country": "IT"}
        answers = await all_at_once(
            [
                caller.post("/1/address", json=place | {"is_primary": number % 2 == 0})
                for number, caller in enumerate(callers)
            ]
        )
        assert answers == {(200, ""): AT_ONCE}
        assert len(await database.scan(rows, Address)) == AT_ONCE
        assert len(await self.primary(database)) == 1

    async def test_addresses_deleted_and_made_primary_at_once_leave_at_most_one_primary(
        self, callers: list[Caller], database: Database, address_ids: list[int]
    ) -> None:
        """Each address is deleted once. The last deletion may delete the primary address."""
        deletions = [
            caller.request("DELETE", "/1/address", json={"address_id": address_id})
            for caller, address_id in zip(callers, address_ids * 3, strict=False)
        ]
        moves = [
            caller.post("/1/address/make-primary", json={"address_id": address_id})
            for caller, address_id in zip(callers, address_ids, strict=False)
        ]
        answers = await asyncio.gather(*deletions, *moves)
        codes = Counter(answer.json().get("code", "ok") for answer in answers[: len(deletions)])
        assert codes == {"ok": 10, "address_not_found": 20}
        assert {answer.status_code for answer in answers[len(deletions) :]} <= {200, 404}
        assert await database.scan(rows, Address) == []


async def test_keys_of_additional_info_are_merged_without_loss(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    await make_customer(email="customer@example.com")
    answers = await all_at_once(
        [caller.put("/1/additional-info", json={f"key{n}": n}) for n, caller in enumerate(callers)]
    )
    assert answers == {(200, ""): AT_ONCE}
    [customer] = await database.scan(rows, Customer)
    assert customer["additional_info"] == {f"key{n}": n for n in range(AT_ONCE)}


async def test_user_attached_to_many_customers_at_once_has_one_customer(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    for number in range(AT_ONCE):
        await make_customer(email=f"{number}@example.com")
    answers = await all_at_once(
        [
            caller.post(f"/{customer_id}/attachable-user", json={"user_id": 1})
            for customer_id, caller in enumerate(callers, start=1)
        ]
    )
    assert answers == {(200, ""): 1, (422, "invalid_user"): AT_ONCE - 1}
    assert [each["user_id"] for each in await database.scan(rows, Customer)].count(1) == 1


async def test_customer_attached_to_many_users_at_once_has_one_user(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    await make_customer(email="customer@example.com")

    def create_users(connection: Connection) -> list[int]:
        return [
            users.create_user(connection, f"user{n}", f"user{n}@example.com", "", "subscriber")
            for n in range(AT_ONCE)
        ]

    user_ids = await database.write(create_users)
    answers = await all_at_once(
        [
            caller.post("/1/attachable-user", json={"user_id": user_id})
            for caller, user_id in zip(callers, user_ids, strict=True)
        ]
    )
    assert answers == {(200, ""): 1, (422, "invalid_user"): AT_ONCE - 1}
    assert len(await database.scan(rows, User)) == len(user_ids) + 6


async def test_bulk_actions_on_the_same_customers_at_once_never_deadlock(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    """Rows are locked in the order of their ids, so there is no deadlock."""
    customer_ids = [(await make_customer(email=f"{n}@example.com"))["id"] for n in range(20)]
    answers = await all_at_once(
        [
            caller.post(
                "/do-bulk-action",
                json={
                    "action": "update_status",
                    "customer_ids": customer_ids[:: 1 if n % 2 else -1],
                    "data": {"status": "active" if n % 3 else "inactive"},
                },
            )
            for n, caller in enumerate(callers)
        ]
    )
    assert answers == {(200, ""): AT_ONCE}
    assert len({customer["status"] for customer in await database.scan(rows, Customer)}) == 1


ORDER = {
    "customer_id": 1, "status": "completed", "payment_status": "paid", "currency": "USD",
    "total_amount": 100, "total_paid": 100, "total_refund": 0, "created_at": "2024-01-01T10:00:00Z",
}  # fmt: skip


async def test_totals_count_every_order(database: Database, make_customer: MakeCustomer) -> None:
    """The ``database`` fixture proves the totals once more, from the orders."""
    await make_customer(email="customer@example.com")
    await asyncio.gather(*(database.write(orders.record_order, ORDER) for _ in range(AT_ONCE)))
    [customer] = await database.scan(rows, Customer)
    assert (customer["order_count"], customer["total_spent"]) == (AT_ONCE, 100 * AT_ONCE)
    assert len(await database.scan(rows, Order)) == AT_ONCE


async def test_stats_that_are_read_between_writes_fit_together(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    """Every order is of 100 and a day later than the one before: of any moment, the stats fit together."""
    await make_customer(email="customer@example.com")
    days = [f"2024-01-{day:02}T10:00:00Z" for day in range(1, 31)]
    seen: list[int] = []

    async def read(caller: Caller) -> None:
        while not writing.done():
            stats = (await caller.get("/get-stats/1")).json()["data"]["stats"]
            number = stats["order_count"]
            assert stats == {
                "total_spent": 100 * number,
                "order_count": number,
                "average_order_value": 100 if number else 0,
                "last_order_date": days[number - 1] if number else None,
                "first_order_date": days[0] if number else None,
            }
            seen.append(number)
            # Where reads wait for nothing, the writes would never get their turn.
            await asyncio.sleep(0)

    async def write() -> None:
        for day in days:
            await database.write(orders.record_order, ORDER | {"created_at": day})

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        for caller in callers[:4]:
            group.create_task(read(caller))
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


async def test_only_one_of_several_changes_of_a_known_state_succeeds(
    callers: list[Caller], database: Database, make_customer: MakeCustomer
) -> None:
    await make_customer(email="customer@example.com")
    known = {"If-Match": (await callers[0].get("/1")).headers["etag"]}
    answers = await all_at_once(
        [
            caller.put("/1/additional-info", json={f"key{n}": n}, headers=known)
            for n, caller in enumerate(callers)
        ]
    )
    assert answers == {(200, ""): 1, (412, "precondition_failed"): AT_ONCE - 1}
    [customer] = await database.scan(rows, Customer)
    assert len(customer["additional_info"]) == 1


class TestIdempotencyKeys:
    KEY: ClassVar = {"Idempotency-Key": "key"}
    BODY: ClassVar = {"email": "customer@example.com"}

    async def test_equal_idempotency_keys_at_once_create_one_customer(
        self, callers: list[Caller], database: Database
    ) -> None:
        """Requests that are not too early get the same response, and in the end all do."""
        requests = [caller.post("", json=self.BODY, headers=self.KEY) for caller in callers]
        answers = await asyncio.gather(*requests)
        done = [answer for answer in answers if answer.status_code == 200]
        assert len({answer.content for answer in done}) == 1
        assert ["idempotency-replayed" in answer.headers for answer in done].count(False) == 1
        for early in answers:
            if early not in done:
                assert_error(early, 409, "idempotency_key_in_use")
        later = [await caller.post("", json=self.BODY, headers=self.KEY) for caller in callers[:2]]
        assert [answer.content for answer in later] == [done[0].content] * 2
        assert len(await database.scan(rows, Customer)) == 1
        assert len(await database.scan(rows, IdempotencyKey)) == 1

    async def test_idempotency_keys_of_different_users_are_different(
        self, callers: list[Caller], client_of: MakeClient, database: Database
    ) -> None:
        async with client_of(credentials("administrator")) as other:
            answers = await all_at_once(
                [
                    caller.post("", json={"email": f"{n}@example.com"}, headers=self.KEY)
                    for n, caller in enumerate((callers[0], other))
                ]
            )
        assert answers == {(200, ""): 2}

    @pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
    async def test_idempotency_key_of_a_running_request_is_rejected(
        self, postgres_settings: Settings, shared_app: FastAPI, client_of: MakeClient
    ) -> None:
        """For any result. On SQLite the second waits for the first, because writes take turns."""
        attempt = Attempt(3, f"POST {PREFIX}", "key", "")

        def act(_connection: Connection) -> Answer:
            return Answer(200, b"{}")

        async with (
            create_database(postgres_settings) as database,
            client_of(credentials("manager")) as client,
        ):
            shared_app.state.database = database
            with connect(postgres_settings.database_url) as connection:
                idempotency_keys.execute_once(connection, attempt, act)
                for _ in range(2):
                    early = await client.post("", json=self.BODY, headers=self.KEY)
                    assert_error(early, 409, "idempotency_key_in_use")
                    assert early.headers["retry-after"] == "1"
                connection.rollback()
            again = await client.post("", json=self.BODY, headers=self.KEY)
            assert again.status_code == 200
            assert "idempotency-replayed" not in again.headers
