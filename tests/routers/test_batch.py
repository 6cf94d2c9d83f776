"""POST /customers/batch.

See docs/decisions.md#185-batch-requests.
"""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from fluent_cart.database import Database
from fluent_cart.errors import InvalidEmail
from fluent_cart.models import Address, Customer, CustomerChange, IdempotencyKey
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services.customers import create_customer
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.support import postgres
from tests.support.errors import assert_error

KEY = {"Idempotency-Key": "key"}
ANN, BOB = "ann@example.com", "bob@example.com"
TAKEN = {"code": "invalid_email", "message": "The email address belongs to another customer"}
NO_EMAIL = {"code": "invalid_email", "message": "The email address is invalid"}


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customers 1 (Ann, with an address), 2 (Bob) and 3."""
    await make_customer(email=ANN, first_name="Ann", last_name="Lee", phone="1")
    await make_customer(email=BOB, first_name="Bob")
    await make_customer(email="eve@example.com")
    await make_address(1)


async def send(client: httpx.AsyncClient, **batch: Any) -> dict[str, Any]:
    answer = await client.post("/batch", json=batch)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def stored(database: Database) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in await database.scan(rows, Customer)}


def missing(customer_id: int) -> dict[str, Any]:
    error = {"code": "customer_not_found", "message": f"Customer with ID {customer_id} not found"}
    return {"id": customer_id, "status": 404, "error": error}


async def test_batch_creates_updates_and_deletes_in_one_request(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    info = {"notes": "VIP"}
    data = await send(
        manager,
        create=[{"email": "New@Example.COM", "first_name": " Jane ", "additional_info": info}],
        update=[{"id": "2", "phone": "2", "status": "inactive"}],
        delete=[1],
    )
    assert data == {
        "processed": 3, "failed": 0,
        "create": [{"id": 4, "status": 200}],
        "update": [{"id": 2, "status": 200}],
        "delete": [{"id": 1, "status": 200}],
    }  # fmt: skip
    customers = await stored(database)
    assert set(customers) == {2, 3, 4}
    assert (customers[2]["phone"], customers[2]["status"]) == ("2", "inactive")
    assert customers[2]["first_name"] == "Bob"
    assert (customers[4]["email"], customers[4]["first_name"]) == ("New@example.com", "Jane")
    assert customers[4]["additional_info"] == info
    assert await database.scan(rows, Address) == []


async def test_each_item_has_the_status_and_the_error_of_a_request_of_its_own(
    shop: None, manager: httpx.AsyncClient
) -> None:
    created = [{"email": ANN}, {"email": "no address"}, {"email": 1, "phone": []}, {"first_name": "x"}]
    updates: list[dict[str, Any]] = [
        {"id": 2, "email": ANN}, {"id": 999, "phone": "1"}, {"id": 2, "status": "gone"},
    ]  # fmt: skip
    alone = [await manager.post("", json=item) for item in created]
    alone += [await manager.put(f"/{item['id']}", json=item) for item in updates]
    alone += [await manager.delete("/999")]
    data = await send(manager, create=created, update=updates, delete=[999])
    results = [*data["create"], *data["update"], *data["delete"]]
    assert [(each["status"], each["error"]) for each in results] == [
        (answer.status_code, answer.json()["error"]) for answer in alone
    ]
    assert data["create"][:2] == [{"status": 422, "error": TAKEN}, {"status": 422, "error": NO_EMAIL}]
    assert data["update"][:2] == [{"id": 2, "status": 422, "error": TAKEN}, missing(999)]
    assert (data["processed"], data["failed"]) == (0, 8)


async def test_update_without_a_valid_id_is_an_error_of_its_item(
    shop: None, manager: httpx.AsyncClient
) -> None:
    data = await send(manager, update=[{"phone": "2"}, {"id": "x"}, {"id": 1, "phone": "2"}])
    assert [result["error"]["details"] for result in data["update"][:2]] == [
        {"id": ["This field is required"]},
        {"id": ["Must be a whole number in the allowed range"]},
    ]
    assert data["update"][2] == {"id": 1, "status": 200}


async def test_item_that_fails_stops_no_other_item(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    data = await send(
        manager,
        create=[{"email": "a@example.com"}, {"email": "A@example.com"}, {"email": "b@example.com"}],
        delete=[999, 3, 3],
    )
    assert data["create"] == [
        {"id": data["create"][0]["id"], "status": 200},
        {"status": 422, "error": TAKEN},
        {"id": data["create"][2]["id"], "status": 200},
    ]
    assert data["delete"] == [missing(999), {"id": 3, "status": 200}, missing(3)]
    emails = {row["email"] for row in (await stored(database)).values()}
    assert emails == {ANN, BOB, "a@example.com", "b@example.com"}


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
@pytest.mark.parametrize("settings", ["shared_postgres"], indirect=True)
@pytest.mark.parametrize("kind", ["create", "update"])
async def test_item_that_loses_a_race_in_the_database_stops_no_other_item(
    shop: None, manager: httpx.AsyncClient, database: Database, kind: str
) -> None:
    """Another transaction takes the address after the batch has checked that the address is free."""
    inserted, commit = asyncio.Event(), asyncio.Event()

    def take(connection: Connection) -> None:
        create_customer(connection, CustomerCreate(email="taken@example.com"))
        inserted.set()
        await_only(commit.wait())

    taking = asyncio.create_task(database.write(take))
    await inserted.wait()
    create = [{"email": email} for email in ("a@example.com", "taken@example.com", "b@example.com")]
    update = [{"id": 1, "phone": "2"}, {"id": 2, "email": "taken@example.com"}, {"id": 3, "phone": "2"}]
    batch = {"create": create, "update": update} | ({"update": update[:1]} if kind == "create" else {})
    if kind == "update":
        del create[1]
    sending = asyncio.create_task(send(manager, **batch, delete=[999]))
    while not await database.scan(number_of_blocked):  # noqa: ASYNC110  # nothing signals it
        await asyncio.sleep(0.01)
    commit.set()
    await taking
    data = await sending
    lost = data[kind].pop(1)
    assert (lost["status"], lost["error"]) == (422, InvalidEmail().reason)
    assert data["failed"] == 2
    assert {result["status"] for result in (*data["create"], *data["update"])} == {200}
    customers = {row["email"]: row["phone"] for row in (await stored(database)).values()}
    eve = "2" if kind == "update" else None
    assert customers == {
        ANN: "2", BOB: None, "eve@example.com": eve, "taken@example.com": None,
        "a@example.com": None, "b@example.com": None,
    }  # fmt: skip


def number_of_blocked(connection: Connection) -> int:
    """Return how many sessions of this database wait for a lock."""
    blocked = "wait_event_type = 'Lock' AND datname = current_database()"
    return int(connection.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {blocked}")) or 0)


async def test_batch_creates_before_it_updates_and_updates_before_it_deletes(
    shop: None, manager: httpx.AsyncClient
) -> None:
    data = await send(manager, delete=[2], update=[{"id": 2, "phone": "3"}], create=[{"email": BOB}])
    assert data["create"] == [{"status": 422, "error": TAKEN}]
    assert data["update"] == [{"id": 2, "status": 200}]
    assert data["delete"] == [{"id": 2, "status": 200}]


async def test_updates_of_one_customer_are_made_in_their_order(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    await send(manager, update=[{"id": 1, "phone": "2"}, {"id": 1, "phone": None, "last_name": "Doe"}])
    customer = (await stored(database))[1]
    assert (customer["phone"], customer["first_name"], customer["last_name"]) == (None, "Ann", "Doe")


async def test_batch_items_may_have_the_field_names_of_the_plugin(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    data = await send(
        manager,
        create={"0": {"email": "new@example.com", "full_name": "Jane van Smith"}},
        update=[{"id": 1, "name": "Anna Lee"}],
    )
    customers = await stored(database)
    new = customers[data["create"][0]["id"]]
    assert (new["first_name"], new["last_name"]) == ("Jane van", "Smith")
    assert (customers[1]["first_name"], customers[1]["last_name"]) == ("Anna", "Lee")


async def test_batch_is_read_from_a_form_of_php(shop: None, manager: httpx.AsyncClient) -> None:
    form = {"create[0][email]": "new@example.com", "update[0][id]": "1", "update[0][phone]": "2"}
    answer = await manager.post("/batch", data={**form, "delete[]": "2"})
    assert (answer.json()["data"]["processed"], answer.json()["data"]["failed"]) == (3, 0)


async def test_empty_batch_has_no_results(manager: httpx.AsyncClient) -> None:
    nothing = {"processed": 0, "failed": 0, "create": [], "update": [], "delete": []}
    assert await send(manager) == await send(manager, create=[], update=[], delete=[]) == nothing


async def test_batch_accepts_at_most_a_hundred_items(shop: None, manager: httpx.AsyncClient) -> None:
    create = [{"email": f"{number}@example.com"} for number in range(50)]
    update = [{"id": 1, "phone": str(number)} for number in range(48)]
    data = await send(manager, create=create, update=update, delete=[2, 3])
    assert (data["processed"], data["failed"]) == (100, 0)
    answer = await manager.post("/batch", json={"create": create, "update": update, "delete": [1, 2, 3]})
    text = ["A batch has at most 100 items in all. Send several batches"]
    assert_error(answer, 422, "validation_error", "Request data validation failed", {"body": text})


@pytest.mark.parametrize(
    "change",
    [{"create": ["x"]}, {"update": [None]}, {"create": {}}, {"update": {"a": {}}}, {"delete": ["x"]},
     {"delete": [0]}, {"delete": None}, {"deletes": [1]}, {"dry_run": "maybe"}],
)  # fmt: skip
async def test_malformed_batch_changes_nothing(
    shop: None, manager: httpx.AsyncClient, database: Database, change: dict[str, Any]
) -> None:
    before = await stored(database)
    batch = {"create": [{"email": "new@example.com"}], "update": [{"id": 1, "phone": "2"}], "delete": [2]}
    answer = await manager.post("/batch", json=batch | change)
    assert_error(answer, 422, "validation_error")
    assert await stored(database) == before


async def test_dry_run_returns_the_results_and_changes_nothing(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    batch = {
        "create": [{"email": "new@example.com"}, {"email": ANN}],
        "update": [{"id": 1, "phone": "2"}, {"id": 999}],
        "delete": [2, 999],
    }
    before = [await database.scan(rows, table) for table in (Customer, Address, CustomerChange)]
    dry = [await manager.post("/batch", json=batch | {"dry_run": True}, headers=KEY) for _ in range(2)]
    assert [await database.scan(rows, table) for table in (Customer, Address, CustomerChange)] == before
    assert await database.scan(rows, IdempotencyKey) == []
    data = await send(manager, **batch)
    del data["create"][0]["id"]
    assert [answer.json()["data"] for answer in dry] == [data, data]


class TestIdempotencyKey:
    async def test_repeated_batch_returns_the_stored_response_and_changes_nothing(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        batch = {"create": [{"email": "new@example.com"}, {"email": ANN}], "delete": [2]}
        first = await manager.post("/batch", json=batch, headers=KEY)
        changes = await database.scan(rows, CustomerChange)
        again = await manager.post("/batch", json=batch, headers=KEY)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert await database.scan(rows, CustomerChange) == changes

    async def test_idempotency_key_of_a_batch_with_other_changes_is_rejected(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        for number, item in enumerate(({"id": 1}, {"id": 1, "phone": None}, {"id": 1, "email": "x"})):
            answer = await manager.post("/batch", json={"update": [item]}, headers=KEY)
            if number:
                assert_error(answer, 422, "idempotency_key_reused")

    async def test_idempotency_key_keeps_no_personal_data(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        batch = {"create": [{"email": "new@example.com", "first_name": "Jane"}], "update": [{"id": 2}]}
        await manager.post("/batch", json=batch, headers=KEY)
        [kept] = await database.scan(rows, IdempotencyKey)
        assert "new@example.com" not in kept["body"]
        assert "Jane" not in kept["body"]

    async def test_idempotency_key_takes_values_that_no_column_can_hold(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        content = b'{"create": [{"email": "\\ud800", "phone": 1e300, "x": 99999999999999999999}], "update":'
        content += b'[{"id": 18446744073709551616, "first_name": "a\\u0000", "\\ud800": "\\ud800"}]}'
        answer = await manager.post("/batch", content=content, headers=KEY)
        assert (answer.status_code, answer.json()["data"]["failed"]) == (200, 2)


async def test_every_change_is_recorded_as_of_a_request_of_its_own(
    shop: None, manager: httpx.AsyncClient
) -> None:
    cursor = (await manager.get("/changes")).json()["data"]["cursor"]
    await send(
        manager,
        create=[{"email": "new@example.com"}, {"email": ANN}],
        update=[{"id": 1, "phone": "2"}],
        delete=[2],
    )
    changes = (await manager.get(f"/changes?after={cursor}")).json()["data"]["changes"]
    assert [(change["kind"], change["customer_id"]) for change in changes][-2:] == [
        ("updated", 1), ("deleted", 2),
    ]  # fmt: skip
    assert [change["kind"] for change in changes] == ["created", "updated", "deleted"]


async def test_deleted_customers_kept_returns_are_erased(
    manager: httpx.AsyncClient, database: Database
) -> None:
    created = await manager.post("", json={"email": ANN}, headers=KEY)
    await send(manager, delete=[created.json()["data"]["customer"]["id"]])
    assert [kept["body"] for kept in await database.scan(rows, IdempotencyKey)] == ["1"]
