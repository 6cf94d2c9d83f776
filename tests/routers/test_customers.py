"""/customers and /customers/{customerId}: input, stored rows and responses.

See docs/decisions.md#11-list-of-customers, #12-creation-of-a-customer, #13-e-mail-addresses and
#14-update-of-a-customer.
"""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, update

from fluent_cart.database import Database
from fluent_cart.models import Customer
from fluent_cart.schemas.additional_info import MAX_BYTES
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.support.errors import assert_error

LONG_AGO = "2020-01-01T00:00:00Z"


def set_times(connection: Connection, moment: str = LONG_AGO) -> None:
    """Make every customer old, so that a change of ``updated_at`` shows within the same second."""
    connection.execute(update(Customer).values(created_at=moment, updated_at=moment))


@pytest.fixture
async def john(make_customer: MakeCustomer, database: Database) -> dict[str, Any]:
    john = await make_customer(
        email="john@example.com", first_name="John", last_name="Doe", phone="+1234", additional_info={"a": 1}
    )
    await database.write(set_times)
    return john


async def stored(database: Database) -> dict[str, Any]:
    [customer] = await database.scan(rows, Customer)
    return customer


class TestList:
    @pytest.fixture
    async def shop(self, make_customer: MakeCustomer) -> None:
        for number in range(1, 13):
            await make_customer(
                email=f"customer{number}@example.com", status="inactive" if number > 10 else "active"
            )

    async def test_customer_list_has_the_ten_newest_first_by_default(
        self, shop: None, viewer: httpx.AsyncClient
    ) -> None:
        answer = await viewer.get("")
        data = answer.json()["data"]
        assert [customer["id"] for customer in data["customers"]] == list(range(12, 2, -1))
        assert data["pagination"] == {"current_page": 1, "per_page": 10, "total": 12, "total_pages": 2}
        assert list(data["customers"][0]) == [
            "id", "email", "first_name", "last_name", "status", "total_spent", "order_count", "created_at",
            "updated_at",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("query", "links"),
        [
            ("", {"next": "page=2"}),
            ("?page=2", {"prev": "page=1"}),
            ("?per_page=5&page=2", {"prev": "per_page=5&page=1", "next": "per_page=5&page=3"}),
            ("?page=9", {"prev": "page=2"}),
            ("?per_page=100", {}),
            ("?search=nobody&page=3", {}),
        ],
    )
    async def test_page_has_links_to_its_neighbours(
        self, shop: None, viewer: httpx.AsyncClient, query: str, links: dict[str, str]
    ) -> None:
        answer = await viewer.get(query)
        url = f"http://shop.example{PREFIX}"
        assert {rel: link["url"] for rel, link in answer.links.items()} == {
            rel: f"{url}?{target}" for rel, target in links.items()
        }

    async def test_links_keep_the_rest_of_the_query(self, shop: None, viewer: httpx.AsyncClient) -> None:
        query = "filters[status]=active&search=customer&order_by=email&order_type=asc&per_page=4"
        first = await viewer.get(f"?{query}")
        assert [customer["id"] for customer in first.json()["data"]["customers"]] == [10, 1, 2, 3]
        following = await viewer.get(first.links["next"]["url"])
        assert [customer["id"] for customer in following.json()["data"]["customers"]] == [4, 5, 6, 7]

    async def test_customer_list_has_totals_in_headers(self, shop: None, viewer: httpx.AsyncClient) -> None:
        for query, total, pages in (("", "12", "2"), ("?per_page=5", "12", "3"), ("?search=zzz", "0", "0")):
            headers = (await viewer.get(query)).headers
            assert (headers["x-wp-total"], headers["x-wp-totalpages"]) == (total, pages)

    async def test_page_past_the_end_is_empty(self, shop: None, viewer: httpx.AsyncClient) -> None:
        for query in ("?page=3", "?page=3&search=customer", "?page=9&filters[status]=active"):
            data = (await viewer.get(query)).json()["data"]
            assert data["customers"] == []
            assert data["pagination"]["total"] >= 10

    async def test_empty_shop_has_no_pages(self, viewer: httpx.AsyncClient) -> None:
        expected = {"current_page": 1, "per_page": 10, "total": 0, "total_pages": 0}
        assert (await viewer.get("")).json()["data"] == {"customers": [], "pagination": expected}

    @pytest.mark.parametrize(
        "filters",
        [
            "filters[status]=inactive", 'filters={"status":"inactive"}', "filters%5Bstatus%5D=inactive",
            "filters[status]=inactive&filters[date_from]=&filters[total_spent_max]=",
            'filters={"status":"inactive","date_to":null}',
        ],
    )  # fmt: skip
    async def test_filters_are_written_in_many_ways(
        self, shop: None, viewer: httpx.AsyncClient, filters: str
    ) -> None:
        data = (await viewer.get(f"?{filters}")).json()["data"]
        assert [customer["id"] for customer in data["customers"]] == [12, 11]
        assert data["pagination"]["total"] == 2

    @pytest.mark.parametrize(
        "nothing", ["filters=", "filters=[]", "filters={}", "filters[status]=", "filters=null"]
    )
    async def test_empty_filters_are_ignored(
        self, shop: None, viewer: httpx.AsyncClient, nothing: str
    ) -> None:
        assert (await viewer.get(f"?{nothing}")).json()["data"]["pagination"]["total"] == 12


class TestCreate:
    async def test_created_customer_has_defaults(
        self, manager: httpx.AsyncClient, database: Database
    ) -> None:
        answer = await manager.post("", json={"email": "new@example.com"})
        customer = answer.json()["data"]["customer"]
        assert answer.json() == {
            "success": True,
            "data": {
                "customer": {
                    "id": 1, "email": "new@example.com", "first_name": "", "last_name": "", "phone": None,
                    "status": "active", "created_at": customer["created_at"],
                }
            },
        }  # fmt: skip
        row = await stored(database)
        assert (row["additional_info"], row["user_id"], row["total_spent"], row["order_count"]) == (
            {},
            None,
            0,
            0,
        )
        assert row["updated_at"] == row["created_at"] == customer["created_at"]

    async def test_created_customer_has_trimmed_and_composed_text(self, manager: httpx.AsyncClient) -> None:
        sent = {
            "email": " new@EXAMPLE.com ",
            "first_name": "  Zoe\u0308 ",
            "phone": "   ",
            "last_name": "\tDoe\n",
        }
        customer = (await manager.post("", json=sent)).json()["data"]["customer"]
        assert [customer[name] for name in sent] == ["new@example.com", "Zo\u00eb", None, "Doe"]

    async def test_created_customer_keeps_the_mailbox_as_typed(self, manager: httpx.AsyncClient) -> None:
        answer = await manager.post("", json={"email": "John.DOE+x@Example.COM"})
        assert answer.json()["data"]["customer"]["email"] == "John.DOE+x@example.com"

    @pytest.mark.parametrize(
        ("typed", "kept", "other"),
        [
            ("A@XN--BCHER-KVA.Example", "A@xn--bcher-kva.example", "a@b\u00fccher.example"),
            ("a@B\u00dcCHER.example", "a@b\u00fccher.example", "A@xn--bcher-kva.example"),
        ],
    )
    async def test_domain_keeps_its_form_and_matches_the_other_form(
        self, john: Any, manager: httpx.AsyncClient, typed: str, kept: str, other: str
    ) -> None:
        made = (await manager.post("", json={"email": typed})).json()["data"]["customer"]
        assert made["email"] == kept
        refused = (
            await manager.post("", json={"email": other}),
            await manager.put("/1", json={"email": other}),
        )
        for response in refused:
            assert_error(response, 422, "invalid_email", "The email address belongs to another customer")
        for term in (typed, kept, other, kept[:9], "b\u00fccher"):
            found = (await manager.get("", params={"search": term})).json()["data"]["customers"]
            assert [each["id"] for each in found] == [made["id"]], term
        changed = await manager.put(f"/{made['id']}", json={"email": other})
        assert changed.status_code == 200
        now = (await manager.get(f"/{made['id']}")).json()["data"]["customer"]
        assert now["email"] == other

    @pytest.mark.parametrize(
        "sent",
        [
            {"json": {"email": "p@example.com", "additional_info": []}},
            {"json": {"email": "p@example.com", "additional_info": None}},
            {"data": {"email": "p@example.com", "additional_info": ""}},
        ],
    )
    async def test_empty_array_of_php_is_empty_additional_info(
        self, manager: httpx.AsyncClient, sent: dict[str, Any]
    ) -> None:
        created = await manager.post("", **sent)
        assert created.status_code == 200
        made = created.json()["data"]["customer"]["id"]
        kept = (await manager.get(f"/{made}")).json()["data"]["customer"]["additional_info"]
        assert kept == {}

    async def test_created_customer_has_additional_info_unchanged(self, manager: httpx.AsyncClient) -> None:
        info = {"z": None, "a": [1, 2.5, True], "\u043a": {"": "x"}, "big": 2**63 - 1}
        await manager.post("", json={"email": "new@example.com", "additional_info": info})
        kept = (await manager.get("/1")).json()["data"]["customer"]["additional_info"]
        assert list(kept.items()) == list(info.items())

    @pytest.mark.parametrize(
        "email",
        ["", "john", "john@", "@example.com", "john@example", "a b@example.com", "j\u00f6hn@example.com",
         "john@example..com", f"j@{'x' * 250}.com", 7, None, ["a@example.com"]],
    )  # fmt: skip
    async def test_invalid_email_address_is_rejected(self, manager: httpx.AsyncClient, email: Any) -> None:
        assert_error(
            await manager.post("", json={"email": email}),
            422,
            "invalid_email",
            "The email address is invalid",
        )


class TestGet:
    async def test_customer_details_have_the_documented_keys_in_order(
        self, john: Any, make_address: MakeAddress, viewer: httpx.AsyncClient
    ) -> None:
        for number in (1, 2):
            await make_address(1, address_1=f"{number} Main St", state="NY")
        address = {
            "type": "billing", "first_name": "", "last_name": "", "address_1": "1 Main St",
            "city": "New York", "state": "NY", "postcode": "", "country": "US", "is_primary": True,
            "address_2": None, "company_name": None, "phone": None,
        }  # fmt: skip
        addresses: list[dict[str, Any]] = [
            {"id": 1, **address},
            {"id": 2, **address, "address_1": "2 Main St", "is_primary": False},
        ]
        expected = {
            "id": 1, "email": "john@example.com", "first_name": "John", "last_name": "Doe", "phone": "+1234",
            "status": "active", "total_spent": 0, "order_count": 0, "created_at": LONG_AGO,
            "updated_at": LONG_AGO, "addresses": addresses, "user_id": None, "additional_info": {"a": 1},
        }  # fmt: skip
        customer = (await viewer.get("/1")).json()["data"]["customer"]
        assert customer == expected
        assert list(customer) == list(expected)
        assert list(customer["addresses"][0]) == list(addresses[0])


class TestUpdate:
    async def test_update_changes_only_the_fields_that_are_sent(
        self, john: Any, manager: httpx.AsyncClient, database: Database
    ) -> None:
        before = await stored(database)
        answer = await manager.put("/1", json={"last_name": "Roe", "status": "inactive", "unknown": 1})
        after = await stored(database)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"last_name", "last_name_key", "status", "search_text", "updated_at"}
        assert answer.json()["data"]["customer"] == {
            "id": 1, "first_name": "John", "last_name": "Roe", "phone": "+1234", "status": "inactive",
            "updated_at": after["updated_at"],
        }  # fmt: skip

    @pytest.mark.parametrize(
        "body",
        [{}, {"unknown": 1}, {"first_name": "John", "phone": " +1234 "}, {"email": "john@EXAMPLE.com"}],
    )
    async def test_update_without_a_change_keeps_updated_at(
        self, john: Any, manager: httpx.AsyncClient, database: Database, body: dict[str, Any]
    ) -> None:
        before = await stored(database)
        assert (await manager.put("/1", json=body)).json()["data"]["customer"]["updated_at"] == LONG_AGO
        assert await stored(database) == before

    async def test_null_clears_what_can_be_empty(self, john: Any, manager: httpx.AsyncClient) -> None:
        assert (await manager.put("/1", json={"phone": None})).json()["data"]["customer"]["phone"] is None
        for name in ("first_name", "last_name", "status"):
            assert_error(await manager.put("/1", json={name: None}), 422, "validation_error")
        assert_error(await manager.put("/1", json={"email": None}), 422, "invalid_email")

    async def test_email_address_and_its_case_may_change(
        self, john: Any, manager: httpx.AsyncClient, database: Database
    ) -> None:
        for email in ("JOHN@example.com", "other@example.com"):
            assert (await manager.put("/1", json={"email": email})).status_code == 200
            assert (await stored(database))["email"] == email
            found = (await manager.get(f"?search={email.lower()}")).json()["data"]["pagination"]["total"]
            assert found == 1
        assert (await manager.get("?search=john@example")).json()["data"]["pagination"]["total"] == 0


class TestAdditionalInfo:
    async def test_additional_info_is_merged_and_null_removes_a_key(
        self, john: Any, manager: httpx.AsyncClient, database: Database
    ) -> None:
        for sent, expected in (
            ({"b": {"c": 1}}, {"a": 1, "b": {"c": 1}}),
            ({"b": {"d": None}}, {"a": 1, "b": {"d": None}}),
            ({"a": None, "missing": None, "e": []}, {"b": {"d": None}, "e": []}),
        ):
            answer = await manager.put("/1/additional-info", json=sent)
            row = await stored(database)
            assert answer.json()["data"]["customer"] == {
                "id": 1, "additional_info": expected, "updated_at": row["updated_at"],
            }  # fmt: skip
            assert row["additional_info"] == expected
            assert row["updated_at"] > LONG_AGO

    async def test_additional_info_without_a_change_keeps_updated_at(
        self, john: Any, manager: httpx.AsyncClient
    ) -> None:
        for body in ({}, {"a": 1}, {"missing": None}):
            answer = await manager.put("/1/additional-info", json=body)
            assert answer.json()["data"]["customer"]["updated_at"] == LONG_AGO

    async def test_additional_info_distinguishes_true_from_1(
        self, john: Any, manager: httpx.AsyncClient
    ) -> None:
        """Python does not."""
        for value in (True, 1, 1.5):
            await manager.put("/1/additional-info", json={"a": value})
            assert f'"a":{json.dumps(value)}' in (await manager.get("/1")).text

    async def test_merged_additional_info_must_be_within_the_limit(
        self, john: Any, manager: httpx.AsyncClient, database: Database
    ) -> None:
        half = "x" * (MAX_BYTES // 2)
        assert (await manager.put("/1/additional-info", json={"b": half})).status_code == 200
        before = await stored(database)
        refused = await manager.put("/1/additional-info", json={"c": half})
        assert_error(refused, 422, "validation_error", details={"body": ["Must be at most 64 KiB of JSON"]})
        assert await stored(database) == before
        assert (await manager.put("/1/additional-info", json={"b": None, "c": half})).status_code == 200

    async def test_additional_info_over_the_limits_is_rejected(
        self, john: Any, manager: httpx.AsyncClient
    ) -> None:
        await manager.put("/1/additional-info", json={"a": None})
        deep: Any = 1
        for _ in range(7):
            deep = {"x": deep}
        room = MAX_BYTES - len('{"x":""}')
        for body, status in (
            ({"x": deep}, 200),
            ({"x": {"x": deep}}, 422),
            ({"x": "y" * room}, 200),
            ({"x": "y" * (room + 1)}, 422),
        ):
            assert (await manager.put("/1/additional-info", json=body)).status_code == status
