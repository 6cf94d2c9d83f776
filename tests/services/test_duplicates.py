"""Duplicates: who is in a group, how groups are paged through, and that they are read from an index."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import ClauseElement, delete, text, update

from fluent_cart.database import Database, connect
from fluent_cart.enums import DuplicateReason
from fluent_cart.models import Address, Customer
from fluent_cart.services import addresses, customers, duplicates
from fluent_cart.services.folding import mailbox_key
from fluent_cart.services.search import phone_key
from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, MakeCustomer
from tests.services.test_customer_search_plans import explain
from tests.support.errors import assert_error

Groups = list[tuple[str, str, list[int]]]


async def groups(viewer: httpx.AsyncClient, **query: Any) -> Groups:
    """Return reason, key and ids of each group, of all pages."""
    found: Groups = []
    while True:
        response = await viewer.get("/duplicates", params=query)
        assert response.status_code == 200, response.text
        data = response.json()["data"]
        assert len(data["duplicates"]) <= query.get("per_page", 10)
        found += [
            (group["reason"], group["key"], [customer["id"] for customer in group["customers"]])
            for group in data["duplicates"]
        ]
        if data["next_cursor"] is None:
            return found
        query["cursor"] = data["next_cursor"]


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("+49 (30) 555-2295", "49305552295"),
        ("0049 30 5552295", "49305552295"),
        ("\uff0b\uff14\uff19 30 555 2295", "49305552295"),
        ("0000000000", ""),
        ("555-12", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_phones_are_compared_by_their_digits(phone: str | None, key: str) -> None:
    assert phone_key(phone) == key


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("Ann+shop@Example.com", "ann@example.com"),
        ("ann+a+b@example.com", "ann@example.com"),
        ("ann+@xn--bcher-kva.example", "ann@b\u00fccher.example"),
        ("ann@example.com", ""),
        ("+shop@example.com", ""),
    ],
)
def test_plus_addresses_have_the_key_of_their_mailbox(address: str, key: str) -> None:
    assert mailbox_key(address) == key


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Nine customers: 1 to 3 share a mailbox, 2 and 4 a phone, 5 to 7 a name and a postcode."""
    for email, phone, name in (
        ("ann@example.com", None, "Ann Lee"),
        ("ann+a@example.com", "+49 30 5552295", "Ann Lee"),
        ("Ann+b@example.com", "555", ""),
        ("carl@example.com", "0049 (30) 555-2295", "Carl Doe"),
        ("5@example.com", None, "Zo\u00eb  M\u00fcller"),
        ("6@example.com", None, "ZOE Muller"),
        ("7@example.com", "1234567", "zoe muller"),
        ("bob+a@example.com", "7654321", "Bob"),
        ("bob@another.example", "000", "Bob"),
    ):
        first_name, _, last_name = name.partition(" ")
        await make_customer(email=email, phone=phone, first_name=first_name, last_name=last_name)
    for customer_id, postcode in ((5, "SW1A 1AA"), (5, "10115"), (6, "sw1a-1aa"), (7, "99999"), (7, "10115")):
        await make_address(customer_id, postcode=postcode)
    # Two equal addresses of a customer are not a duplicate, and a first name alone is not a key.
    for customer_id in (1, 1, 8, 9):
        await make_address(customer_id, postcode="20095")


ALL: Groups = [
    ("plus_address", "ann@example.com", [1, 2, 3]),
    ("phone", "49305552295", [2, 4]),
    ("name_and_postcode", "zoe muller 10115", [5, 7]),
    ("name_and_postcode", "zoe muller SW1A1AA", [5, 6]),
]


class TestGroups:
    async def test_customers_with_one_mailbox_phone_or_name_and_postcode_are_a_group(
        self, shop: None, viewer: httpx.AsyncClient
    ) -> None:
        assert await groups(viewer) == ALL

    @pytest.mark.parametrize("reason", DuplicateReason)
    async def test_reason_in_the_query_selects_its_groups_only(
        self, shop: None, viewer: httpx.AsyncClient, reason: str
    ) -> None:
        assert await groups(viewer, reason=reason) == [group for group in ALL if group[0] == reason]

    @pytest.mark.parametrize("per_page", [1, 2, 3])
    async def test_pages_have_each_group_once(
        self, shop: None, viewer: httpx.AsyncClient, per_page: int
    ) -> None:
        assert await groups(viewer, per_page=per_page) == ALL

    @pytest.mark.parametrize("keys", [1, 2, 3])
    async def test_pages_have_each_group_if_a_request_reads_few_keys(
        self, shop: None, viewer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, keys: int
    ) -> None:
        monkeypatch.setattr(duplicates, "MAX_KEYS", keys)
        assert await groups(viewer) == ALL
        page = (await viewer.get("/duplicates?reason=name_and_postcode")).json()["data"]
        assert len(page["duplicates"]) < 2
        assert page["next_cursor"] is not None

    async def test_group_shows_each_customer_like_its_details_without_addresses(
        self, shop: None, viewer: httpx.AsyncClient
    ) -> None:
        [group] = (await viewer.get("/duplicates?reason=phone")).json()["data"]["duplicates"]
        details = (await viewer.get("/2")).json()["data"]["customer"]
        for name in ("addresses", "user_id", "additional_info"):
            del details[name]
        assert group["customers"][0] == details
        assert list(group) == ["reason", "key", "count", "customers"]

    async def test_group_of_many_customers_shows_ten_and_the_number_of_all(
        self, make_customer: MakeCustomer, viewer: httpx.AsyncClient
    ) -> None:
        for number in range(12):
            await make_customer(email=f"{number}@example.com", phone="+49 30 5552295")
        [group] = (await viewer.get("/duplicates")).json()["data"]["duplicates"]
        assert group["count"] == 12
        assert [customer["id"] for customer in group["customers"]] == list(range(1, 11))

    async def test_groups_change_with_every_change_of_a_name_or_address(
        self, shop: None, database: Database, viewer: httpx.AsyncClient, make_address: MakeAddress
    ) -> None:
        async def names() -> Groups:
            return await groups(viewer, reason="name_and_postcode")

        await database.write(customers.update_customer, 5, {"first_name": "Eva"})
        assert await names() == []
        await database.write(customers.update_customer, 6, {"first_name": "Eva"})
        assert await names() == [("name_and_postcode", "eva muller SW1A1AA", [5, 6])]
        await database.write(addresses.update_address, 6, 3, {"postcode": "10115"})
        assert await names() == [("name_and_postcode", "eva muller 10115", [5, 6])]
        await make_address(7, postcode="10 115")
        await database.write(customers.update_customer, 7, {"first_name": "Eva"})
        assert await names() == [("name_and_postcode", "eva muller 10115", [5, 6, 7])]
        await database.write(addresses.delete_address, 6, 3)
        assert await names() == [("name_and_postcode", "eva muller 10115", [5, 7])]
        await database.write(lambda connection: connection.execute(delete(Customer).where(Customer.id == 7)))
        assert await names() == []
        await database.write(customers.update_customer, 4, {"phone": None, "email": "ann+c@example.com"})
        assert await groups(viewer) == [("plus_address", "ann@example.com", [1, 2, 3, 4])]

    async def test_removed_postcode_leaves_no_row_of_keys(self, shop: None, database: Database) -> None:
        number = text("SELECT count(*) FROM customer_name_postcodes")
        assert await database.scan(lambda connection: connection.scalar(number)) == 7
        await database.write(lambda connection: connection.execute(update(Address).values(postcode="")))
        assert await database.scan(lambda connection: connection.scalar(number)) == 0


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WyJuYW1lIiwiYSJd", "WyJwaG9uZSIsMV0", "WyJwaG9uZSIsIlx1MDAwMCJd", "x" * 2001]
)
async def test_cursor_that_no_response_had_is_rejected(viewer: httpx.AsyncClient, cursor: str) -> None:
    response = await viewer.get("/duplicates", params={"cursor": cursor})
    assert_error(response, 422, "validation_error")


async def test_cursor_of_another_reason_is_rejected(shop: None, viewer: httpx.AsyncClient) -> None:
    cursor = (await viewer.get("/duplicates?per_page=1")).json()["data"]["next_cursor"]
    response = await viewer.get("/duplicates", params={"reason": "phone", "cursor": cursor})
    assert_error(response, 422, "validation_error")


INDEXES = {
    DuplicateReason.PLUS_ADDRESS: ("customers", "ix_customers_mailbox_key"),
    DuplicateReason.PHONE: ("customers", "ix_customers_phone_key"),
    DuplicateReason.NAME_AND_POSTCODE: ("customer_name_postcodes", "ix_customer_name_postcodes_key"),
}


@pytest.mark.parametrize("reason", DuplicateReason)
def test_groups_are_read_from_an_index_in_order(settings: Settings, reason: DuplicateReason) -> None:
    table, index = INDEXES[reason]
    plan = explain(
        settings.database_url,
        duplicates.shared_keys(reason),
        {"after": "a", "last": "b", "wanted": 11},
        off=("bitmapscan",),
    )
    if settings.database_url.startswith("sqlite"):
        assert re.search(rf"SEARCH {table} USING COVERING INDEX {index} \(\w+>\? AND \w+<\?\)", plan), plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan
    else:
        assert re.search(rf"Index Only Scan using {index} on {table}", plan), plan
        assert not re.search("Seq Scan|Sort|Hash", plan), plan


def explain_written_out(url: str, statement: ClauseElement) -> str:
    """Return the plan of a statement that has its values in its text, in a large shop."""
    with connect(url) as connection:
        sql = statement.compile(connection, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "sqlite":
            return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"))
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}"))


@pytest.mark.parametrize("reason", DuplicateReason)
def test_customers_of_groups_are_read_by_index(settings: Settings, reason: DuplicateReason) -> None:
    _, index = INDEXES[reason]
    plan = explain_written_out(settings.database_url, duplicates.members(reason).params(keys=["a", "b"]))
    assert index in plan
    assert not re.search("Seq Scan|SCAN (customers|customer_name_postcodes)", plan), plan
