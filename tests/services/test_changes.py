"""A client that applies the changes after its cursor ends up with the shop's state."""

import asyncio
import random
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, delete, true, update
from sqlalchemy.util import await_only

from fluent_cart.database import Database
from fluent_cart.enums import ChangeKind
from fluent_cart.http.long_poll import MAX_WAITING_OF_ONE
from fluent_cart.models import Customer, CustomerChange, User
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.schemas.bulk_actions import BulkAction
from fluent_cart.schemas.changes import ChangesQuery
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import (
    addresses,
    bulk_actions,
    changes,
    customers,
    orders,
    user_attachment,
)
from fluent_cart.services.changes import ChangePage, read_changes
from fluent_cart.services.customers import get_customers
from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, MakeCustomer
from tests.services.test_customer_search_plans import explain
from tests.support import postgres
from tests.support.errors import assert_error

WRITERS, ROUNDS = 8, 25
ORDER: dict[str, Any] = {
    "customer_id": 1, "status": "completed", "payment_status": "paid", "currency": "USD", "total_amount": 500,
    "total_paid": 500, "total_refund": 0, "created_at": "2024-01-01T10:00:00Z",
}  # fmt: skip


async def pull(database: Database, after: str = "", **more: Any) -> ChangePage:
    return await database.scan(read_changes, ChangesQuery(after=after, **more))


def kinds(page: ChangePage) -> list[tuple[str, int]]:
    return [(change["kind"], change["customer_id"]) for change in page.changes]


def bulk(action: str, *ids: int) -> BulkAction:
    return BulkAction.model_validate(
        {"action": action, "customer_ids": list(ids), "data": {"status": "inactive"}}
    )


async def test_every_way_to_change_a_customer_is_recorded(
    database: Database, make_customer: MakeCustomer, make_address: MakeAddress
) -> None:
    cursor = (await pull(database)).cursor
    steps: list[tuple[Any, list[tuple[str, int]]]] = [
        ((customers.create_customer, CustomerCreate(email="a@example.com")), [("created", 1)]),
        ((customers.update_customer, 1, {"first_name": "Ann"}), [("updated", 1)]),
        ((customers.update_customer, 1, {"first_name": "Ann"}), []),
        ((customers.update_additional_info, 1, {"vip": True}), [("updated", 1)]),
        (
            (addresses.create_address, 1, AddressCreate(address_1="1 St", city="Rome", country="IT")),
            [("updated", 1)],
        ),
        ((addresses.update_address, 1, 1, {"city": "Oslo"}), [("updated", 1)]),
        ((orders.record_order, {**ORDER, "id": 7}), [("updated", 1)]),
        # An order that is not paid changes nothing of its customer.
        ((orders.record_order, {**ORDER, "id": 8, "payment_status": "pending"}), []),
        ((orders.recalculate,), []),
        ((user_attachment.attach_user, 1, 1), [("updated", 1)]),
        (
            (lambda connection: connection.execute(delete(User).where(User.id == 1)),),
            [("updated", 1)],
        ),
        ((bulk_actions.perform, bulk("update_status", 1)), [("updated", 1)]),
        ((addresses.delete_address, 1, 1), [("updated", 1)]),
        (
            (addresses.create_address, 1, AddressCreate(address_1="2 St", city="Rome", country="IT")),
            [("updated", 1)],
        ),
        ((bulk_actions.perform, bulk("delete", 1)), [("deleted", 1)]),
    ]
    for (work, *arguments), expected in steps:
        await database.write(work, *arguments)
        page = await pull(database, cursor)
        assert kinds(page) == expected, work
        cursor = page.cursor
    assert (await pull(database)).cursor == cursor


async def test_change_has_the_customer_as_details_have_it(
    database: Database, make_customer: MakeCustomer, make_address: MakeAddress, viewer: httpx.AsyncClient
) -> None:
    start = (await viewer.get("/changes")).json()["data"]
    assert (start["changes"], start["has_more"]) == ([], False)
    await make_customer(email="a@example.com")
    await make_address(1)
    await make_customer(email="b@example.com")
    await database.write(bulk_actions.perform, bulk("delete", 2))
    data = (await viewer.get("/changes", params={"after": start["cursor"], "per_page": 3})).json()["data"]
    details = (await viewer.get("/1")).json()["data"]["customer"]
    assert [change["customer"] for change in data["changes"]] == [details, details, None]
    assert data["has_more"]
    rest = (await viewer.get("/changes", params={"after": data["cursor"]})).json()["data"]
    [deleted] = rest["changes"]
    assert deleted == {
        "kind": "deleted", "customer_id": 2, "survivor_id": None, "changed_at": deleted["changed_at"],
        "customer": None,
    }  # fmt: skip
    assert not rest["has_more"]


async def test_kind_of_the_last_change_can_be_set(database: Database, make_customer: MakeCustomer) -> None:
    cursor = (await pull(database)).cursor
    for number in (1, 2):
        await make_customer(email=f"{number}@example.com")

    def merge(connection: Connection) -> None:
        bulk_actions.perform(connection, bulk("delete", 2))
        changes.set_kind(connection, 2, ChangeKind.MERGED, survivor_id=1)

    await database.write(merge)
    last = (await pull(database, cursor)).changes[-1]
    assert (last["kind"], last["customer_id"], last["survivor_id"]) == ("merged", 2, 1)


def test_changes_after_a_cursor_are_read_from_the_index(own_settings: Settings) -> None:
    """By both columns, so that no change before the cursor is read."""
    dialect = own_settings.database_url.partition(":")[0]
    for statement in (changes._following(dialect), changes._any_following(dialect).statement):
        plan = explain(own_settings.database_url, statement, {"xid": 0, "change_id": 7}, off=("bitmapscan",))
        both = r"\(xid=\? AND id>\?\)|\(rowid>\?\)|Index Cond: \(+ROW\(xid, id\) > "
        assert re.search(both, plan), plan
        assert not re.search("SCAN|TEMP B-TREE|Sort", plan), plan


class TestExpiry:
    async def test_cursor_before_purged_changes_is_expired(
        self, database: Database, make_customer: MakeCustomer, viewer: httpx.AsyncClient
    ) -> None:
        cursors = [(await pull(database)).cursor]
        for number in range(3):
            await make_customer(email=f"{number}@example.com")
            cursors.append((await pull(database)).cursor)
        old = update(CustomerChange).where(CustomerChange.customer_id < 3)
        await database.write(
            lambda connection: connection.execute(old.values(created_at="2024-01-01T10:00:00Z"))
        )
        assert await database.write(changes.remove_expired, 10, 30) == 2
        assert await database.write(changes.purge_all, 30) == 0
        for cursor in cursors[:2]:
            assert_error(await viewer.get("/changes", params={"after": cursor}), 410, "cursor_expired")
        assert kinds(await pull(database, cursors[2])) == [("created", 3)]
        assert kinds(await pull(database, cursors[3])) == []

    async def test_change_after_a_purge_of_all_comes_after_every_cursor(
        self, database: Database, make_customer: MakeCustomer
    ) -> None:
        """SQLite would use the id of a deleted change again."""
        for number in range(3):
            await make_customer(email=f"{number}@example.com")
        cursor = (await pull(database)).cursor
        old = update(CustomerChange).values(created_at="2024-01-01T10:00:00Z")
        await database.write(lambda connection: connection.execute(old))
        assert await database.write(changes.remove_expired, 2, 30) == 2
        assert await database.write(changes.purge_all, 30) == 0
        await make_customer(email="new@example.com")
        assert kinds(await pull(database, cursor)) == [("created", 4)]

    async def test_cursor_of_before_a_restore_is_expired(
        self, database: Database, make_customer: MakeCustomer, viewer: httpx.AsyncClient
    ) -> None:
        cursor = (await pull(database)).cursor
        await database.write(changes.begin_epoch)
        assert_error(await viewer.get("/changes", params={"after": cursor}), 410, "cursor_expired")
        assert kinds(await pull(database, (await pull(database)).cursor)) == []


@pytest.mark.parametrize("query", ["after=x", "after=1-2-3", "wait=26", "wait=-1", "per_page=101"])
async def test_wrong_query_of_changes_is_rejected(viewer: httpx.AsyncClient, query: str) -> None:
    assert_error(await viewer.get(f"/changes?{query}"), 422, "validation_error")


class TestLongPoll:
    async def test_waiting_request_is_answered_once_there_is_a_change(
        self, database: Database, make_customer: MakeCustomer, viewer: httpx.AsyncClient
    ) -> None:
        cursor = (await pull(database)).cursor
        waiting = asyncio.create_task(viewer.get("/changes", params={"after": cursor, "wait": 20}))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await make_customer(email="a@example.com")
        data = (await asyncio.wait_for(waiting, 5)).json()["data"]
        assert [change["kind"] for change in data["changes"]] == ["created"]

    async def test_one_user_leaves_others_a_place_to_wait(
        self, database: Database, viewer: httpx.AsyncClient, manager: httpx.AsyncClient
    ) -> None:
        params = {"after": (await pull(database)).cursor, "wait": "20"}
        waiting = [
            asyncio.create_task(viewer.get("/changes", params=params)) for _ in range(MAX_WAITING_OF_ONE)
        ]
        await asyncio.sleep(0.3)
        # One more request of the user is answered at once. Another user's request waits.
        response = await asyncio.wait_for(viewer.get("/changes", params=params), 5)
        assert response.json()["data"]["changes"] == []
        waiting.append(asyncio.create_task(manager.get("/changes", params=params)))
        await asyncio.sleep(0.3)
        assert not any(request.done() for request in waiting)
        for request in waiting:
            request.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def test_long_poll_ends_in_time_without_a_change(
        self, database: Database, viewer: httpx.AsyncClient
    ) -> None:
        cursor = (await pull(database)).cursor
        response = await asyncio.wait_for(viewer.get("/changes", params={"after": cursor, "wait": 1}), 5)
        assert response.json()["data"] == {"changes": [], "cursor": cursor, "has_more": False}


async def write_at_random(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(ROUNDS):
        customer_id = chance.randint(1, 40)
        work: Any = chance.choice(
            [
                lambda connection, n=number: customers.create_customer(
                    connection, CustomerCreate(email=f"{seed}.{n}@example.com")
                ),
                lambda connection, i=customer_id, n=number: customers.update_customer(
                    connection, i, {"first_name": f"{seed} {n}"}
                ),
                lambda connection, i=customer_id: addresses.create_address(
                    connection, i, AddressCreate(address_1="1 St", city="Rome", country="IT")
                ),
                lambda connection, i=customer_id: bulk_actions.perform(connection, bulk("delete", i)),
                lambda connection, i=customer_id: bulk_actions.perform(connection, bulk("update_status", i)),
            ]
        )
        try:
            await database.write(work)
        except Exception:  # a customer who is gone
            continue


async def follow(database: Database, copy: dict[int, Any], cursor: str, done: asyncio.Event) -> None:
    """Keep a copy until the writers are done and nothing more is there."""
    while True:
        is_last = done.is_set()
        page = await pull(database, cursor, per_page=7)
        for change in page.changes:
            if change["customer"] is None:
                copy.pop(change["customer_id"], None)
            else:
                copy[change["customer_id"]] = change["customer"]
        cursor = page.cursor
        if is_last and not page.changes:
            return
        await asyncio.sleep(0)


async def test_copy_by_changes_equals_the_shop_after_concurrent_writes(database: Database) -> None:
    copy: dict[int, Any] = {}
    done = asyncio.Event()
    following = asyncio.create_task(follow(database, copy, (await pull(database)).cursor, done))
    await asyncio.gather(*(write_at_random(database, seed) for seed in range(WRITERS)))
    done.set()
    await asyncio.wait_for(following, 30)
    shop = await database.scan(get_customers, range(1, 1 + WRITERS * ROUNDS))
    assert copy == shop
    assert len(shop) > 10


def read_committed(connection: Connection) -> list[int]:
    return list(connection.scalars(Customer.__table__.select().with_only_columns(Customer.id)))


async def transactions_that_commit_in_reverse(database: Database) -> tuple[set[int], set[int]]:
    """Return the customers that a client sees, and those of the shop."""
    entered, leave = asyncio.Event(), asyncio.Event()

    def slow(connection: Connection) -> None:
        customers.create_customer(connection, CustomerCreate(email="slow@example.com"))
        entered.set()
        await_only(leave.wait())

    cursor = (await pull(database)).cursor
    first = asyncio.create_task(database.write(slow))
    await entered.wait()
    await database.write(customers.create_customer, CustomerCreate(email="quick@example.com"))
    before = await pull(database, cursor)
    leave.set()
    await first
    after = await pull(database, before.cursor)
    seen = {change["customer_id"] for change in (*before.changes, *after.changes)}
    return seen, set(await database.scan(read_committed))


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
@pytest.mark.parametrize("settings", ["shared_postgres"], indirect=True)
class TestOrderOnPostgreSQL:
    async def test_transaction_that_commits_later_comes_later(self, database: Database) -> None:
        seen, shop = await transactions_that_commit_in_reverse(database)
        assert seen == shop
        assert len(shop) == 2

    async def test_order_of_the_sequence_alone_loses_a_customer(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The mutation: without the condition of final transactions the client misses the slow one."""
        for cached in (changes._following, changes._any_following, changes._last):
            cached.cache_clear()
        monkeypatch.setattr(changes, "_place", (CustomerChange.id, CustomerChange.id))
        monkeypatch.setattr(changes, "_is_final", lambda _: true())
        try:
            seen, shop = await transactions_that_commit_in_reverse(database)
        finally:
            for cached in (changes._following, changes._any_following, changes._last):
                cached.cache_clear()
        assert seen < shop
