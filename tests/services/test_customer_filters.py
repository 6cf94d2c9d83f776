"""Each filter finds the same customers as plain Python, by an index."""

import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, insert, update

from fluent_cart.database import Database, connect
from fluent_cart.models import Address, Customer
from fluent_cart.schemas.customer_filters import MAX_IDS, CustomerFilters
from fluent_cart.schemas.customer_queries import CustomerExportQuery
from fluent_cart.services import customer_export, customer_search
from fluent_cart.services.customer_filters import FILTERS, filter_values
from fluent_cart.services.customer_search import list_customers
from fluent_cart.settings import Settings
from tests.conftest import MakeCustomer
from tests.services.test_customer_search import CUSTOMERS, QUERY, make_customers
from tests.services.test_customer_search_plans import explain
from tests.support.errors import assert_error
from tests.support.long_tests import many

# Of the users of the shop's fixture.
USERS = 6
COUNTRIES = ("US", "IT", "DE")

SENT: dict[str, Any] = {
    "status": "active",
    "date_from": "2024-01-15",
    "date_to": "2024-02-14",
    "total_spent_min": 1000,
    "total_spent_max": 5000,
    "updated_from": "2024-02-10",
    "updated_to": "2024-02-20",
    "last_order_from": "2024-05-06",
    "last_order_to": "2024-05-07",
    "order_count_min": 1,
    "order_count_max": 2,
    "country": "it",
    "has_user": True,
    "email": "A1@EXAMPLE1.com",
    "ids": "3, 7,200,999",
}
INDEXES = {
    "status": "ix_customers_(status|filter)",
    "date_from": "ix_customers_created_at",
    "date_to": "ix_customers_created_at",
    "total_spent_min": r"ix_customers_(total_spent|aov)",
    "total_spent_max": r"ix_customers_(total_spent|aov)",
    "updated_from": "ix_customers_updated_at",
    "updated_to": "ix_customers_updated_at",
    "last_order_from": "ix_customers_last_purchase_date",
    "last_order_to": "ix_customers_last_purchase_date",
    "order_count_min": "ix_customers_order_count",
    "order_count_max": "ix_customers_order_count",
    "country": "ix_customer_addresses_country",
    "has_user": "uq_customers_user_id",
    "has_no_user": "uq_customers_user_id",
    "email": "(uq|ix)_customers_email",
    "ids": "pk_customers|INTEGER PRIMARY KEY|ix_customers_id",
}


def countries_of(customer_id: int) -> set[str]:
    return {country for place, country in enumerate(COUNTRIES) if customer_id % (place + 3) == 0}


def is_given(customer: dict[str, Any], name: str, value: Any) -> bool:
    """Return whether a customer meets a filter of ``SENT``, or ``has_user`` false."""
    last = customer["last_order_at"] or ""
    is_met: dict[str, bool] = {
        "status": customer["status"] == "active",
        "date_from": customer["created_at"] >= "2024-01-15",
        "date_to": customer["created_at"] < "2024-02-15",
        "total_spent_min": customer["total_spent"] >= 1000,
        "total_spent_max": customer["total_spent"] <= 5000,
        "updated_from": customer["updated_at"] >= "2024-02-10",
        "updated_to": customer["updated_at"] < "2024-02-21",
        "last_order_from": last >= "2024-05-06",
        "last_order_to": "" < last < "2024-05-08",
        "order_count_min": customer["order_count"] >= 1,
        "order_count_max": customer["order_count"] <= 2,
        "country": "IT" in countries_of(customer["id"]),
        "has_user": (customer["id"] <= USERS) == value,
        "email": customer["email"].lower() == "a1@example1.com",
        "ids": customer["id"] in (3, 7, 200),
    }
    return is_met[name]


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    place = {"address_1": "1 Main St", "city": "Rome", "created_at": "2024-01-01T00:00:00Z"}
    customers = make_customers()
    with connect(settings.database_url) as connection:
        connection.execute(insert(Customer), customers)
        connection.execute(update(Customer).where(Customer.id <= USERS).values(user_id=Customer.id))
        addresses = [
            {**place, "customer_id": customer["id"], "country": country, "updated_at": place["created_at"]}
            for customer in customers
            # Twice, because two addresses in a country are still one customer.
            for country in sorted(countries_of(customer["id"])) * 2
        ]
        connection.execute(insert(Address), addresses)
        yield connection


def make_filters() -> Iterator[dict[str, Any]]:
    chance = random.Random(3)
    yield from ({name: value} for name, value in SENT.items())
    yield {"has_user": False}
    for _ in range(many(100, 300)):
        names = chance.sample(sorted(SENT), chance.randint(1, 3))
        sent = {name: SENT[name] for name in names}
        if "has_user" in sent:
            sent["has_user"] = chance.choice((True, False))
        yield sent


def test_filters_find_what_plain_python_finds(connection: Connection) -> None:
    sizes, customers = set(), make_customers()
    for filters in make_filters():
        wanted = [
            customer["id"]
            for customer in customers
            if all(is_given(customer, *condition) for condition in filters.items())
        ]
        items, total = list_customers(
            connection, QUERY.validate_python({"filters": filters, "per_page": 100, "order_type": "ASC"})
        )
        assert ([item["id"] for item in items], total) == (wanted[:100], len(wanted)), filters
        query = CustomerExportQuery.model_validate({"filters": filters, "format": "ndjson"})
        exported = b"".join(customer_export.export_customers(connection, query))
        assert exported.count(b"\n") == len(wanted), filters
        sizes.add(total)
    assert {0, 1, 3} <= sizes
    assert max(sizes) > CUSTOMERS // 2


def test_every_filter_is_in_the_tests() -> None:
    assert list(SENT) == list(CustomerFilters.model_fields)
    assert list(INDEXES) == list(FILTERS)


# In an empty shop, PostgreSQL likes any index as much as the primary key.
@pytest.mark.parametrize("name", [name for name in FILTERS if name != "ids"])
def test_filter_alone_is_counted_from_its_index(own_settings: Settings, name: str) -> None:
    sent: dict[str, Any] = {"has_user": False} if name == "has_no_user" else {name: SENT[name]}
    values = filter_values(CustomerFilters.model_validate(sent))
    assert name in values
    statement = customer_search._count(frozenset(values)).statement
    plan = explain(own_settings.database_url, statement, values)
    assert re.search(INDEXES[name], plan), plan
    assert not re.search(r"Seq Scan|SCAN (?!in_country|.*COVERING INDEX)", plan), plan


@pytest.mark.parametrize("name", ["email", "ids"])
def test_few_matches_are_looked_up_also_for_an_export(sqlite_settings: Settings, name: str) -> None:
    query = CustomerExportQuery.model_validate({"filters": {name: SENT[name]}})
    values = filter_values(query.filters)
    plan = explain(sqlite_settings.database_url, customer_search.all_ids("sqlite", query), values)
    assert re.search(INDEXES[name], plan), plan
    assert "SCAN" not in plan


@pytest.mark.parametrize(
    "typed",
    [
        "k@b\u00fccher.example",
        "K@B\u00dcCHER.example",
        " k@xn--bcher-kva.example ",
        "k@XN--BCHER-KVA.EXAMPLE",
    ],
)
async def test_email_is_found_in_any_form_of_the_address(
    make_customer: MakeCustomer, viewer: httpx.AsyncClient, typed: str
) -> None:
    await make_customer(email="K@b\u00fccher.example")
    await make_customer(email="kk@b\u00fccher.example")
    response = await viewer.get("", params={"filters[email]": typed})
    assert [each["id"] for each in response.json()["data"]["customers"]] == [1]


@pytest.mark.parametrize(
    "query",
    ["filters[ids]=1,3", "filters[ids][]=1&filters[ids][]=3", 'filters={"ids":[1,3]}',
     'filters={"ids":{"0":1,"2":"3"}}'],
)  # fmt: skip
async def test_ids_are_read_in_every_form(
    make_customer: MakeCustomer, viewer: httpx.AsyncClient, query: str
) -> None:
    for number in range(3):
        await make_customer(email=f"{number}@example.com")
    response = await viewer.get(f"?{query}")
    assert [each["id"] for each in response.json()["data"]["customers"]] == [3, 1]
    one = await viewer.get('?filters={"ids":2}')
    assert [each["id"] for each in one.json()["data"]["customers"]] == [2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email", "nobody"),
        ("email", "a%00@example.com"),
        ("ids", "1,x"),
        ("ids", "0"),
        ("ids", ",".join(["1"] * (MAX_IDS + 1))),
        ("country", "XX"),
        ("has_user", "perhaps"),
        ("order_count_min", "1.5"),
        ("updated_from", "yesterday"),
        ("last_order_to", "2024-13-01"),
        ("updated_since", "2024-01-01"),
    ],
)
async def test_filter_with_a_wrong_value_is_rejected(
    viewer: httpx.AsyncClient, name: str, value: str
) -> None:
    response = await viewer.get(f"?filters[{name}]={value}")
    assert_error(response, 422, "validation_error")
    assert all(field.startswith(f"filters.{name}") for field in response.json()["error"]["details"])


async def test_empty_list_of_ids_is_rejected(viewer: httpx.AsyncClient) -> None:
    assert_error(await viewer.get('?filters={"ids":[]}'), 422, "validation_error")


@pytest.mark.parametrize("name", CustomerFilters.model_fields)
async def test_empty_filter_is_ignored(
    make_customer: MakeCustomer, viewer: httpx.AsyncClient, database: Database, name: str
) -> None:
    await make_customer(email="a@example.com")
    response = await viewer.get(f"?filters[{name}]=")
    assert response.json()["data"]["pagination"]["total"] == 1
