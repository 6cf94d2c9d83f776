"""Lists are read from their indexes, and no list reads every customer."""

import re
from itertools import product
from typing import Any

import pytest
from sqlalchemy import ClauseElement, Connection, delete, text, update

from fluent_cart.database import Database, connect
from fluent_cart.enums import SortDirection, SortField
from fluent_cart.models import Customer
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customer_search, customers
from fluent_cart.services.customer_search import Order
from fluent_cart.services.invariants import find_violations
from fluent_cart.settings import Settings
from tests.support import postgres

WINDOW = {"limit": 10, "offset": 500}
FILTERS = {
    "status": "active",
    "date_from": "2024-01-01T00:00:00Z",
    "date_to": "2024-12-31T23:59:59Z",
    "total_spent_min": 1000,
    "total_spent_max": 5000,
}
ORDERS = [Order(field, direction) for field in SortField for direction in SortDirection]
TERMS = ("smith", "john smith", "+1 (234) 567", "5551", "o'brien")
INDEXES = {field: f"ix_customers_{field}" for field in SortField}


def explain(url: str, statement: ClauseElement, values: dict[str, Any], off: tuple[str, ...] = ()) -> str:
    """Return the plan of ``statement`` in a shop so large that reading all of it is out of the question."""
    with connect(url) as connection:
        if connection.dialect.name == "sqlite":
            prefix, detail = "EXPLAIN QUERY PLAN", 3
        else:
            prefix, detail = "EXPLAIN", 0
            for kind in ("seqscan", "sort", *off):
                connection.execute(text(f"SET LOCAL enable_{kind} = off"))
        sql: Any = statement.params(values).compile(connection, compile_kwargs={"render_postcompile": True})
        bound = tuple(sql.params[name] for name in sql.positiontup) if sql.positiontup else sql.params
        return "\n".join(row[detail] for row in connection.exec_driver_sql(f"{prefix} {sql}", bound))


@pytest.fixture
def settings(own_settings: Settings) -> Settings:
    """A shop without statistics: those of the shared shop change with each VACUUM."""
    return own_settings


def assert_index(settings: Settings, plan: str, index: str) -> None:
    """Assert that the ids of a page come out of an index in order, and that of nothing else is all read."""
    if settings.database_url.startswith("sqlite"):
        scans = re.findall(r"^SCAN .*", plan, re.M)
        assert scans == [f"SCAN customers USING COVERING INDEX {index}"], plan
    else:
        # The primary key itself is the order by id.
        index = index.replace("ix_customers_id", "pk_customers")
        assert re.search(rf"Index Only Scan (Backward )?using {index} on customers", plan), plan
        assert "Seq Scan" not in plan


def test_page_is_read_from_the_index_of_its_order(settings: Settings) -> None:
    for order in ORDERS:
        statement = customer_search.ordered(order)
        assert_index(settings, explain(settings.database_url, statement, WINDOW), INDEXES[order.field])


def test_page_near_the_start_is_read_in_order(settings: Settings) -> None:
    for order in ORDERS:
        statement = customer_search.ordered(order, late=False)
        plan = explain(settings.database_url, statement, WINDOW)
        assert order.field is SortField.ID or re.search(f"(ix|uq)_customers_{order.field}", plan), plan
        assert not re.search("TEMP B-TREE|Sort|Seq Scan", plan), plan


def test_usual_filter_is_counted_from_its_index(settings: Settings) -> None:
    count = customer_search._count(frozenset(FILTERS)).statement
    # In a shop as small as this one, a bitmap of some of the conditions costs less than an index of all.
    plan = explain(settings.database_url, count, FILTERS, off=("bitmapscan",))
    assert re.search(r"(COVERING INDEX|Index Only Scan using) ix_customers_filter", plan), plan


def test_many_matches_are_read_in_order(sqlite_settings: Settings) -> None:
    """PostgreSQL decides by its statistics."""
    for order in ORDERS:
        statement = customer_search.ordered(order, frozenset(FILTERS), has_many=True)
        plan = explain(sqlite_settings.database_url, statement, WINDOW | FILTERS)
        by_index = "" if order.field is SortField.ID else f" USING INDEX (ix|uq)_customers_{order.field}"
        [scan] = re.findall("^SCAN.*", plan, re.M)
        assert re.fullmatch(f"SCAN customers{by_index}", scan), plan


def test_plan_of_few_matches_sorts_them(sqlite_settings: Settings) -> None:
    """Also if the statistics say that an index is of no use, because no customer has had a user so far."""
    with connect(sqlite_settings.database_url) as connection:
        connection.execute(text("ANALYZE"))
        for index in ("uq_customers_user_id', '1000000 1000000", "ix_customers_id', '1000000 1"):
            connection.execute(text(f"INSERT INTO sqlite_stat1 VALUES ('customers', '{index}')"))
    for order in ORDERS:
        statement = customer_search.ordered(order, frozenset({"has_user"}), has_many=False)
        plan = explain(sqlite_settings.database_url, statement, WINDOW | {"has_user": True})
        assert re.search("SEARCH customers USING (COVERING )?INDEX uq_customers_user_id", plan), plan
        assert "SCAN" not in plan


def test_country_of_many_is_looked_up_for_each_customer_until_the_page_is_full(
    sqlite_settings: Settings,
) -> None:
    statement = customer_search.ordered(ORDERS[0], frozenset({"country", "status"}), has_many=True)
    plan = explain(sqlite_settings.database_url, statement, WINDOW | FILTERS | {"country": "IT"})
    assert re.search("CORRELATED SCALAR SUBQUERY.*\nSEARCH customer_addresses", plan), plan
    assert "TEMP B-TREE" not in plan


def test_term_is_looked_up_in_the_index(settings: Settings) -> None:
    # Each order, and each term in the order of the index and in another order.
    for order, term in {*product(ORDERS, TERMS[:1]), *product(ORDERS[:4:2], TERMS)}:
        statement = customer_search.found(settings.database_url.partition(":")[0], term, order).page
        # In a shop as small as this one, reading all texts by their ids costs less than any index.
        plan = explain(settings.database_url, statement, WINDOW, off=("indexscan", "nestloop"))
        if settings.database_url.startswith("sqlite"):
            scans = set(re.findall("^SCAN (?!found).*", plan, re.M))
            assert {scan.rpartition(" ")[0] for scan in scans} == {
                "SCAN customers_search VIRTUAL TABLE INDEX"
            }, plan
            # A search in the order of the index is never sorted.
            is_sorted = "TEMP B-TREE" in plan
            assert is_sorted != (order.field is SortField.ID and not term.isdecimal()), plan
        else:
            assert "Bitmap Index Scan on ix_customers_search_search_text" in plan, plan


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
def test_page_of_many_matches_is_read_in_order(postgres_settings: Settings) -> None:
    """The ids of the matches are in a hash table."""
    for order in ORDERS[2::9]:
        statement = customer_search.found_in_order("postgresql", "smith", order)
        plan = explain(postgres_settings.database_url, statement, WINDOW)
        assert_index(postgres_settings, plan, INDEXES[order.field])
        assert "hashed SubPlan" in plan, plan


async def test_search_table_follows_every_change(database: Database) -> None:
    """Triggers keep the table next to the customers."""

    def change(connection: Connection) -> None:
        for number in range(20):
            # Short and long texts.
            email, name = f"customer{number}@example.com", "x" * 12 * number
            customers.create_customer(connection, CustomerCreate(email=email, first_name=name))
        connection.execute(update(Customer).where(Customer.id < 10).values(search_text="renamed"))
        connection.execute(update(Customer).where(Customer.id == 10).values(status="inactive"))
        connection.execute(delete(Customer).where(Customer.id.in_([1, 15, 20])))

    def check(connection: Connection) -> dict[str, int]:
        assert find_violations(connection) == {}
        if connection.dialect.name == "sqlite":
            # SQLite itself compares the two.
            connection.execute(
                text("INSERT INTO customers_search (customers_search, rank) VALUES ('integrity-check', 1)")
            )
        return {
            term: customer_search.list_customers(connection, CustomerListQuery(search=term)).total
            for term in ("renamed", "customer", "customer14", "customer9")
        }

    await database.write(change)
    assert await database.write(check) == {"renamed": 8, "customer": 9, "customer14": 0, "customer9": 1}


async def test_number_of_customers_is_kept(database: Database) -> None:
    def number(connection: Connection) -> int:
        return int(connection.scalar(customer_search.number_of_customers) or 0)

    def create(connection: Connection) -> None:
        for each in range(5):
            customers.create_customer(connection, CustomerCreate(email=f"{each}@example.com"))

    assert await database.scan(number) == 0
    await database.write(create)
    assert await database.scan(number) == 5
    await database.write(lambda connection: connection.execute(delete(Customer).where(Customer.id > 2)))
    assert await database.scan(number) == 2
