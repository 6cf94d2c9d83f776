"""Pages without a count and from cursor to cursor. The parts of ``include``, and their statements."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import chain, product
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import Connection, delete, event, insert

from fluent_cart.database import Database, connect, prepared
from fluent_cart.enums import SortDirection, SortField
from fluent_cart.models import Address, Customer, Order
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customer_includes, customers
from fluent_cart.services.customer_includes import MAX_ORDERS
from fluent_cart.services.customer_pages import CustomerPage, get_page
from fluent_cart.services.customer_search import list_customers
from fluent_cart.settings import Settings
from tests.services.test_customer_search import QUERY, make_customers
from tests.support.errors import assert_error

SELECTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"filters": {"status": "active"}},
    {"filters": {"ids": [1, 5, 9, 100]}},
    {"search": "o"},
    {"search": "john", "filters": {"order_count_min": 1}},
    {"search": "nobody at all"},
)
MOMENT = "2024-01-01T10:00:00Z"
PLACE = {
    "address_1": "1 Main St",
    "city": "Rome",
    "country": "IT",
    "created_at": MOMENT,
    "updated_at": MOMENT,
}


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings.database_url) as connection:
        connection.execute(insert(Customer), make_customers())
        yield connection


def page_of(connection: Connection, **query: Any) -> CustomerPage:
    return get_page(connection, QUERY.validate_python(query))


def walk(connection: Connection, query: dict[str, Any], per_page: int = 17) -> Iterator[list[int]]:
    """Yield the ids of each page of a list, from cursor to cursor."""
    cursor: str | None = ""
    while cursor is not None:
        page = page_of(connection, **query, per_page=per_page, cursor=cursor)
        yield [item["id"] for item in page.items]
        cursor = page.next_cursor


def test_pages_from_cursor_to_cursor_are_the_whole_list(connection: Connection) -> None:
    for selection, field, direction in product(SELECTIONS, SortField, SortDirection):
        query = {**selection, "order_by": field, "order_type": direction}
        whole: list[int] = []
        for number in (1, 2):
            counted = list_customers(
                connection, QUERY.validate_python({**query, "per_page": 100, "page": number})
            )
            whole += [item["id"] for item in counted.items]
        assert list(chain.from_iterable(walk(connection, query))) == whole, query


def test_page_without_a_count_is_the_counted_page(connection: Connection) -> None:
    for selection, number in product(SELECTIONS, (1, 2, 50)):
        query = {**selection, "page": number, "order_by": "last_name"}
        counted = page_of(connection, **query)
        uncounted = page_of(connection, **query, include_total="false")
        assert (uncounted.items, uncounted.total) == (counted.items, None)
        assert uncounted.has_more == (number * 10 < (counted.total or 0))


def test_walk_sees_each_customer_once_while_others_come_and_go(connection: Connection) -> None:
    """With pages in place of cursors, created customers repeat others, and deleted ones skip others."""
    before = {customer["id"] for customer in make_customers()}
    seen: list[int] = []
    gone: set[int] = set()
    for number, ids in enumerate(walk(connection, {})):
        seen += ids
        if number < 3:
            email = f"new{number}@example.org"
            created = {**make_customers()[0], "id": 500 + number, "email": email, "email_key": email}
            connection.execute(insert(Customer), [created])
            # One who was shown, and one who will not be.
            deleted = {ids[0], ids[-1] - 5}
            gone |= deleted - set(seen)
            connection.execute(delete(Customer).where(Customer.id.in_(deleted)))
    assert len(seen) == len(set(seen))
    assert set(seen) == before - gone
    assert gone


@pytest.mark.parametrize(
    "cursor",
    ["x", "!", "e30", "bnVsbA", "W10", "\u00fc", "x" * 3000, ["id", "DESC", "1", 1], ["id", "DESC", True, 1],
     ["id", "DESC", 1, None], ["id", "DESC", 2**63, 1], ["id", "UP", 1, 1], ["password", "DESC", 1, 1],
     ["id", "ASC", 1, 1], ["email", "DESC", "a\0", 1], ["created_at", "DESC", "2024-99-01T00:00:00Z", 1],
     ["aov", "DESC", "1", 1], ["last_purchase_date", "DESC", "x", 1], ["updated_at", "DESC", 5, 1],
     [[], {}, 1, 1]],
)  # fmt: skip
async def test_cursor_of_another_list_is_rejected(viewer: httpx.AsyncClient, cursor: Any) -> None:
    text, order = cursor, "id"
    if isinstance(cursor, list):
        text, order = urlsafe_b64encode(orjson.dumps(cursor)).decode(), cursor[0] or "id"
    response = await viewer.get("", params={"cursor": text, "order_by": order})
    assert_error(response, 422, "validation_error")


async def test_list_from_cursor_to_cursor_has_links_and_no_totals(
    connection_of_three: None, viewer: httpx.AsyncClient
) -> None:
    first = await viewer.get("?cursor=&per_page=2&filters[status]=active")
    data = first.json()["data"]
    cursor = data["pagination"].pop("next_cursor")
    assert data["pagination"] == {"current_page": None, "per_page": 2, "total": None, "total_pages": None}
    assert "x-wp-total" not in first.headers
    assert first.links["next"]["url"].endswith(f"per_page=2&filters%5Bstatus%5D=active&cursor={cursor}")
    last = await viewer.get(first.links["next"]["url"])
    assert [each["id"] for each in data["customers"] + last.json()["data"]["customers"]] == [3, 2, 1]
    assert last.json()["data"]["pagination"]["next_cursor"] is None
    assert "link" not in last.headers


async def test_list_without_total_has_links(connection_of_three: None, viewer: httpx.AsyncClient) -> None:
    response = await viewer.get("?include_total=false&per_page=1&page=2")
    pagination = {"current_page": 2, "per_page": 1, "total": None, "total_pages": None}
    assert response.json()["data"]["pagination"] == pagination
    assert {rel: link["url"][-6:] for rel, link in response.links.items()} == {
        "prev": "page=1",
        "next": "page=3",
    }
    last = await viewer.get("?include_total=false&per_page=1&page=3")
    assert list(last.links) == ["prev"]


@pytest.fixture
async def connection_of_three(database: Database) -> None:
    def fill(connection: Connection) -> None:
        for number in (1, 2, 3):
            customers.create_customer(connection, CustomerCreate(email=f"{number}@example.com"))
        # Customer 1 has two addresses, customer 2 has more orders than are shown.
        connection.execute(
            insert(Address),
            [
                {**PLACE, "customer_id": 1, "is_primary": True},
                {**PLACE, "customer_id": 1, "is_primary": False},
            ],
        )
        connection.execute(insert(Order), [order(number) for number in range(MAX_ORDERS + 2)])

    await database.write(fill)


def order(number: int) -> dict[str, Any]:
    moment = f"2024-01-{number + 1:02}T10:00:00Z"
    return {
        "customer_id": 2, "status": "completed", "payment_status": "pending", "currency": "USD",
        "total_amount": 100 + number, "total_paid": 0, "total_refund": 0, "created_at": moment,
        "updated_at": moment,
    }  # fmt: skip


async def test_include_adds_addresses_stats_and_orders(
    connection_of_three: None, viewer: httpx.AsyncClient
) -> None:
    plain = (await viewer.get("")).json()["data"]["customers"]
    response = await viewer.get("?include=addresses, stats,orders")
    included = response.json()["data"]["customers"]
    for customer, bare in zip(included, plain, strict=True):
        path = f"/{customer['id']}"
        assert list(customer) == [*bare, "addresses", "stats", "orders"]
        assert customer["addresses"] == (await viewer.get(f"{path}/address")).json()["data"]["addresses"]
        assert customer["stats"] == (await viewer.get(f"/get-stats{path}")).json()["data"]["stats"]
        orders = (await viewer.get(f"{path}/orders")).json()["data"]["orders"]
        assert customer["orders"] == orders[::-1][:MAX_ORDERS]
    assert [len(customer["orders"]) for customer in included] == [0, MAX_ORDERS, 0]


async def test_include_adds_to_details(connection_of_three: None, viewer: httpx.AsyncClient) -> None:
    plain = await viewer.get("/2")
    assert (await viewer.get("/2?include=addresses")).content == plain.content
    included = await viewer.get("/2", params={"include[]": ["orders", "stats"]})
    customer = included.json()["data"]["customer"]
    assert list(customer) == [*plain.json()["data"]["customer"], "stats", "orders"]
    assert len(customer["orders"]) == MAX_ORDERS
    assert included.headers["etag"] != plain.headers["etag"]
    assert_error(await viewer.get("/99?include=stats"), 404, "customer_not_found")


@pytest.mark.parametrize("path", ["", "/1"])
@pytest.mark.parametrize("sent", ["include=1,2", "include[]=1&include[]=2", "include=7"])
async def test_include_with_ids_as_in_wordpress_is_ignored(
    viewer: httpx.AsyncClient, path: str, sent: str
) -> None:
    plain, with_ids = await viewer.get(path), await viewer.get(f"{path}?{sent}")
    assert (with_ids.status_code, with_ids.content) == (plain.status_code, plain.content)


@pytest.mark.parametrize("path", ["", "/1"])
async def test_unknown_include_is_rejected(viewer: httpx.AsyncClient, path: str) -> None:
    assert_error(await viewer.get(f"{path}?include=stats,passwords"), 422, "validation_error")


@pytest.mark.parametrize("per_page", [1, 3, 100])
def test_include_takes_one_statement_for_each_part(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, per_page: int
) -> None:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    def execute(connection: Any, text: str, parameters: Any = None) -> Any:
        statements.append(text)
        return run(connection, text, parameters)

    run = prepared.execute
    monkeypatch.setattr(prepared, "execute", execute)
    event.listen(connection, "before_cursor_execute", note)
    everything = "addresses,stats,orders"
    for query, expected in (({}, 4), ({"cursor": ""}, 4), ({"filters": {"status": "active"}}, 6)):
        statements.clear()
        page_of(connection, **query, include=everything, per_page=per_page)
        assert len(statements) == expected, statements
    statements.clear()
    customer_includes.get_customer_with(connection, 1, QUERY.validate_python({"include": everything}).include)
    assert len(statements) == 3


async def test_empty_list_includes_nothing(viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get("?include=stats&cursor=")).json()["data"]["customers"] == []
