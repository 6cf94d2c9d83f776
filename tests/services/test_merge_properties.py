"""Random pairs of customers: after a merger nothing is lost, doubled or left over."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select, text

from fluent_cart.database import connect
from fluent_cart.enums import OrderStatus, PaymentStatus
from fluent_cart.errors import CustomerMerged
from fluent_cart.models import Address, Customer, CustomerChange, MergedCustomer, Order
from fluent_cart.schemas.merge import CustomerMerge
from fluent_cart.services import invariants, merge, orders
from fluent_cart.services.addresses import _comparable
from fluent_cart.services.customers import derived_columns, get_customer
from fluent_cart.services.merge import BLANK, FILLED
from fluent_cart.settings import Settings
from tests.conftest import rows
from tests.support.long_tests import many

EXAMPLES = many(15, 200)
TIME = "2024-01-01T10:00:00Z"
TABLES = (Customer, Address, Order, MergedCustomer, CustomerChange)

texts = st.sampled_from(["", "Ann", "Lee", "Zo\u00eb"])
values = st.recursive(
    st.sampled_from([None, "", 0, 1, True, False, 1.5, "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
people = st.fixed_dictionaries(
    {
        "first_name": texts,
        "last_name": texts,
        "phone": st.sampled_from([None, "+49 30 5552295", "555"]),
        "status": st.sampled_from(["active", "inactive"]),
        "user": st.booleans(),
        "additional_info": st.dictionaries(st.sampled_from("abcd"), values, max_size=4),
        # Few texts, so that many addresses are the same but for case and blanks.
        "addresses": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["billing", "shipping"]),
                    "address_1": st.sampled_from(["1 Main St", "1  MAIN st", "2 Side St"]),
                    "postcode": st.sampled_from(["", "10115", "10 115"]),
                    "phone": st.sampled_from([None, ""]),
                }
            ),
            max_size=4,
        ),
        "primary": st.integers(0, 3),
        "orders": st.lists(
            st.fixed_dictionaries(
                {
                    "status": st.sampled_from(list(OrderStatus)),
                    "payment_status": st.sampled_from(list(PaymentStatus)),
                    "total_paid": st.integers(0, 1000),
                    "total_refund": st.integers(0, 1500),
                    "created_at": st.sampled_from([f"2024-0{month}-01T10:00:00Z" for month in range(1, 9)]),
                }
            ),
            max_size=5,
        ),
    }
)


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Undo the changes of the block, so that every example has the same shop."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def store(connection: Connection, number: int, person: dict[str, Any]) -> int:
    own = {name: person[name] for name in ("first_name", "last_name", "phone", "status", "additional_info")}
    own |= {"email": f"{number}@example.com", "user_id": number if person["user"] else None}
    own |= {**derived_columns(own), "created_at": TIME, "updated_at": TIME}
    customer_id = int(connection.scalars(insert(Customer).returning(Customer.id), own).one())
    primary = person["primary"] % max(len(person["addresses"]), 1)
    for place, address in enumerate(person["addresses"]):
        more = {"customer_id": customer_id, "is_primary": place == primary, "city": "Rome", "country": "IT"}
        connection.execute(insert(Address), {**address, **more, "created_at": TIME, "updated_at": TIME})
    new = [
        {**order, "customer_id": customer_id, "currency": "USD", "total_amount": 1000, "updated_at": TIME}
        for order in person["orders"]
    ]
    orders.record_orders(connection, new, [])
    return customer_id


def dump(connection: Connection) -> list[Any]:
    return [rows(connection, table) for table in TABLES]


def in_books(connection: Connection) -> list[dict[str, Any]]:
    """Return the orders without the time of their last change."""
    found = sorted(rows(connection, Order), key=lambda row: int(row["id"]))
    return [{name: row[name] for name in row if name != "updated_at"} for row in found]


def name_postcodes(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the keys by which duplicates are found, with their addresses and customers."""
    found = connection.execute(
        text("SELECT address_id, customer_id, name_postcode_key FROM customer_name_postcodes")
    )
    return {tuple(row) for row in found}


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    customer = {name: value for name, value in result["customer"].items() if name != "updated_at"}
    return {**result, "customer": customer}


def check_merger(connection: Connection, first: dict[str, Any], second: dict[str, Any], wanted: int) -> None:
    ids = [store(connection, number, person) for number, person in enumerate((first, second), start=1)]
    # In half of the examples the older customer is merged into the newer one.
    customer_id, from_id = ids[wanted], ids[1 - wanted]
    both = {row["id"]: row for row in rows(connection, Customer)}
    own, other = both[customer_id], both[from_id]
    places: dict[int, list[Any]] = {each: [] for each in both}
    for row in rows(connection, Address):
        places[row["customer_id"]].append(row)
    bought = in_books(connection)
    user_id = own["user_id"] if own["user_id"] and other["user_id"] else None
    body = {"from_id": from_id, "user_id": user_id}

    before = dump(connection)
    preview = merge.merge_customers(connection, customer_id, CustomerMerge(**body, preview=True))
    assert dump(connection) == before
    deed = merge.merge_customers(connection, customer_id, CustomerMerge(**body))
    assert without_time(preview) == without_time(deed)
    assert deed["customer"] == get_customer(connection, customer_id)

    [left] = rows(connection, Customer)
    assert left["id"] == customer_id
    assert all(left[name] == (own[name] or other[name]) for name in (*FILLED, "user_id"))
    assert (left["email"], left["status"], left["created_at"]) == (own["email"], own["status"], TIME)
    assert all(left["additional_info"].get(key) not in BLANK or value in BLANK
               for info in (own, other) for key, value in info["additional_info"].items())  # fmt: skip

    assert left["order_count"] == own["order_count"] + other["order_count"]
    assert left["total_spent"] == own["total_spent"] + other["total_spent"]
    firsts = [row["first_order_at"] for row in (own, other) if row["first_order_at"]]
    lasts = [row["last_order_at"] for row in (own, other) if row["last_order_at"]]
    assert left["first_order_at"] == min(firsts, default=None)
    assert left["last_order_at"] == max(lasts, default=None)
    assert in_books(connection) == [{**row, "customer_id": customer_id} for row in bought]
    assert deed["moved_orders"] == sum(row["customer_id"] == from_id for row in bought)

    addresses = rows(connection, Address)
    assert {row["customer_id"] for row in addresses} <= {customer_id}
    assert deed["moved_addresses"] + deed["joined_addresses"] == len(places[from_id])
    assert len(addresses) == len(places[customer_id]) + deed["moved_addresses"]
    assert [row for row in addresses if row in places[customer_id]] == places[customer_id]
    said = {_comparable(row) for each in places.values() for row in each}
    assert {_comparable(row) for row in addresses} == said
    moved = [_comparable(row) for row in addresses if row not in places[customer_id]]
    assert len({*moved}) == len(moved)
    assert {*moved}.isdisjoint(map(_comparable, places[customer_id]))
    assert sum(row["is_primary"] for row in addresses) == min(len(addresses), 1)

    assert name_postcodes(connection) == {
        (
            row["id"],
            customer_id,
            f"{left['first_name_key']} {left['last_name_key']} {row['postcode'].replace(' ', '')}",
        )
        for row in addresses
        if row["postcode"] and left["first_name_key"] and left["last_name_key"]
    }
    assert invariants.find_violations(connection) == {}
    with pytest.raises(CustomerMerged) as gone:
        get_customer(connection, from_id)
    assert gone.value.data == {"survivor_id": customer_id}
    kinds = select(CustomerChange.kind, CustomerChange.survivor_id).order_by(CustomerChange.id)
    own_changes = connection.execute(kinds.where(CustomerChange.customer_id == from_id)).all()
    assert tuple(own_changes[-1]) == ("merged", customer_id)


def test_random_merge_keeps_each_row_once_and_removes_the_merged_customer(settings: Settings) -> None:
    with connect(settings.database_url) as connection:

        @limits(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        )  # fmt: skip
        @given(people, people, st.integers(0, 1))
        def check(first: dict[str, Any], second: dict[str, Any], wanted: int) -> None:
            with undone(connection):
                check_merger(connection, first, second, wanted)

        check()
