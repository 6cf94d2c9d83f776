"""The list equals plain Python's filtered, sorted and cut list of all customers, on either database."""

import random
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, insert
from sqlalchemy.dialects import sqlite

from fluent_cart.database import connect
from fluent_cart.enums import SortDirection, SortField
from fluent_cart.models import Customer
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.schemas.customers import CustomerCreate, Phone
from fluent_cart.services.customer_search import list_customers
from fluent_cart.services.customers import create_customer, derived_columns, update_customer
from fluent_cart.services.search import search_text, words
from fluent_cart.settings import Settings
from tests.support.long_tests import many

CUSTOMERS, QUERIES = 200, many(400, 1000)
QUERY: TypeAdapter[CustomerListQuery] = TypeAdapter(CustomerListQuery)

FIRST = (
    "John", "Zoë", "José", "Søren", "Łukasz", "Chloé", "Nguyễn", "Mary Ann", "İpek", "Straße", "ﬁona", "Æsa",
    "D'Arcy", 'Jo "Bob"', "100%", "a_b", "Back\\slash", "李", "Ольга", "", "O AND P", "x*", "Þór", "NEAR",
)  # fmt: skip
LAST = (
    "Doe", "Müller", "Garcia", "García", "Kjær", "Nowak", "O'Brien", "Smith", "Smithson", "Van der Berg", "ẞ",
    "Œuvre", "Đặng", "明", "Иванова", "", "50%off", "under_score", "(Jr.)", "-", "Ħal", "Ö",
)  # fmt: skip
PHONES = (None, "+1 (234) 567-890", "+1234567890", "0049 30 5551234", "030/555-1234", "12", "7", "ext. 42")
TERMS = (
    "john", "JOHN DOE", "doe john", "zoe", "ZOË", "soren", "łuk", "lukasz", "nguyen", "ipek",
    "İPEK", "strasse", "STRASSE", "ß", "fiona", "ﬁ", "aesa", "kjaer", "oeuvre", "dang", "o'brien",
    "'", '"', '"bob"', "%", "100%", "_", "a_b", "\\", "back\\s", "*", "x*", "and", "or", "near",
    "not x", "(", "jr.", "-", "李", "明", "ольга", "иван", "thor", "hal", "o", "z", "mu", "smith",
    "smithson s", "john smith", "garcia jose", "@", "@exam", "example.com", ".com", "EXAMPLE1",
    "+1 (234) 567-890", "1234567890", "234-567", "(234)", "+1", "5551234", "030 555", "49 30", "12",
    "7", "42", "1", "200", "999", "0", "001", "9223372036854775807", "99999999999", "van der",
    "der van", "mary ann", "  john   doe  ", "\tjohn\ndoe", "jo\u0308hn", "nobody at all", "e e e", "\x1f",
    "ext. 42", "ext", "EXT.", "\u202a+1 (234) 567\u2013890\u202c", "１２３４５６７８９０", "\u0661\u0662",
)  # fmt: skip


@cache
@cache
def bare(text: str) -> str:
    """Fold a text by a second implementation, because the shop's own folding is tested."""
    for letters, plain in (("łŁ", "l"), ("øØ", "o"), ("đĐ", "d"), ("ħĦ", "h"), ("ßẞ", "ss"), ("ı", "i")):
        text = re.sub(f"[{letters}]", plain, text)
    for letters, plain in (("æÆ", "ae"), ("œŒ", "oe"), ("þÞ", "th"), ("ðÐ", "d")):
        text = re.sub(f"[{letters}]", plain, text)
    plain_text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", plain_text.lower()).strip()


@cache
def make_customers() -> list[dict[str, Any]]:
    chance = random.Random(1)
    customers = []
    for number in range(1, CUSTOMERS + 1):
        day = f"2024-{chance.randint(1, 3):02}-{chance.randint(1, 28):02}"
        customer: dict[str, Any] = {
            "id": number,
            "email": f"{chance.choice('abcXYZ')}{number}@example{chance.randint(1, 3)}.com",
            "first_name": chance.choice(FIRST),
            "last_name": chance.choice(LAST),
            "phone": chance.choice(PHONES),
            "status": chance.choice(("active", "active", "inactive")),
            "additional_info": {},
            "total_spent": chance.choice((0, 0, 1000, 1001, 5000, 123456)),
            "order_count": chance.randint(0, 3),
            "created_at": f"{day}T{chance.choice(('00:00:00', '12:30:00', '23:59:59'))}Z",
            "updated_at": f"{day}T23:59:59Z",
        }
        has_orders = bool(customer["order_count"])
        customer["total_spent"] *= has_orders
        for name, days in (("first_order_at", range(1, 5)), ("last_order_at", range(5, 9))):
            customer[name] = f"2024-05-0{chance.choice(days)}T10:00:00Z" if has_orders else None
        customers.append(customer | derived_columns(customer))
    return customers


def make_queries() -> Iterator[dict[str, Any]]:
    chance = random.Random(2)
    for number in range(QUERIES):
        filters = {
            "status": chance.choice(("active", "inactive", "")),
            "date_from": chance.choice(("2024-01-15", "2024-02-01T12:30:00Z", "2024-02-01T13:30:01+01:00")),
            "date_to": chance.choice(("2024-02-14", "2024-02-14T12:30:00Z", "2024-03-01T00:29:59.9+00:30")),
            "total_spent_min": chance.choice((0, "1001", 5000)),
            "total_spent_max": chance.choice((1000, "5000", "")),
        }
        query: dict[str, Any] = {
            "page": chance.choice((1, 1, 1, 2, 3, 50)),
            "per_page": chance.choice((1, 3, 10, 100)),
            "order_by": chance.choice(list(SortField)),
            "order_type": chance.choice(list(SortDirection)),
            "filters": {name: value for name, value in filters.items() if chance.random() < 0.3},
        }
        if number % 3:
            query["search"] = chance.choice(TERMS) if chance.random() < 0.8 else piece(chance)
        yield query


def piece(chance: random.Random) -> str:
    """Return a piece of a name, cut anywhere."""
    name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    start = chance.randrange(len(name))
    return name[start : start + chance.randint(1, 6)]


@cache
def number(text: str) -> str:
    """Write a phone number of ``TERMS`` in ASCII."""
    text = unicodedata.normalize("NFKC", re.sub("[\u202a\u202c]", "", text))
    return text.translate(str.maketrans("\u0661\u0662\u2013", "12-"))


@cache
def searched(name: str, email: str, phone: str) -> list[str]:
    """Return the texts of a customer in which a word may occur."""
    lines = [bare(name), bare(email), re.sub("[^0-9]", "", phone)]
    return [*lines, bare(phone)] if re.search("[a-z]", phone) else lines


def is_found(customer: dict[str, Any], term: str) -> bool:
    name = f"{customer['first_name']} {customer['last_name']}"
    lines = searched(name, customer["email"], customer["phone"] or "")
    is_phone = re.fullmatch(r"[0-9+()./\s-]*", number(term)) and re.search("[0-9]", number(term))
    for word in [term.strip()] if is_phone else term.split():
        forms = [bare(word)]
        if re.fullmatch(r"[0-9+()./\s-]*[0-9][0-9+()./\s-]*", number(word)):
            forms.append(re.sub("[^0-9]", "", number(word)))
        occurs = any(form and form in line for form in forms for line in lines)
        if not occurs and word != str(customer["id"]):
            return False
    return True


def passes(customer: dict[str, Any], query: dict[str, Any]) -> bool:
    filters = {name: value for name, value in query["filters"].items() if value != ""}
    first = {"2024-01-15": "2024-01-15T00:00:00Z", "2024-02-01T13:30:01+01:00": "2024-02-01T12:30:01Z"}
    last = {"2024-02-14": "2024-02-14T23:59:59Z", "2024-03-01T00:29:59.9+00:30": "2024-02-29T23:59:59Z"}
    since, until = filters.get("date_from", "0"), filters.get("date_to", "9")
    return (
        filters.get("status", customer["status"]) == customer["status"]
        and first.get(since, since) <= customer["created_at"] <= last.get(until, until)
        and int(filters.get("total_spent_min", 0)) <= customer["total_spent"]
        and customer["total_spent"] <= int(filters.get("total_spent_max", 10**9))
        and is_found(customer, query.get("search", ""))
    )


def sort_value(customer: dict[str, Any], field: str) -> Any:
    """Return the key that a list is sorted by. A customer without an order comes first."""
    if field in ("email", "first_name", "last_name"):
        return bare(customer[field])
    if field == "aov":
        return customer["total_spent"] / (customer["order_count"] or 1)
    dates = {"first_purchase_date": "first_order_at", "last_purchase_date": "last_order_at"}
    return customer[dates[field]] or "" if field in dates else customer[field]


def expected(customers: list[dict[str, Any]], query: dict[str, Any]) -> tuple[list[int], int]:
    """Return the ids of the wanted page, and how many customers match."""
    matching = sorted(
        (customer for customer in customers if passes(customer, query)),
        key=lambda customer: (sort_value(customer, query["order_by"].value), customer["id"]),
        reverse=query["order_type"] is SortDirection.DESC,
    )
    start = (query["page"] - 1) * query["per_page"]
    return [each["id"] for each in matching[start : start + query["per_page"]]], len(matching)


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings.database_url) as connection:
        connection.execute(insert(Customer), make_customers())
        yield connection


def test_random_lists_equal_the_result_of_plain_python(connection: Connection) -> None:
    customers, sizes = make_customers(), set()
    for query in make_queries():
        items, total = list_customers(connection, QUERY.validate_python(query))
        assert ([item["id"] for item in items], total) == expected(customers, query), query
        sizes.add(total)
    # The queries are worth something: they find none, one, some and all.
    assert {0, 1, 2, 3, 10, CUSTOMERS} <= sizes
    assert len(sizes) > 50


def test_each_term_finds_what_plain_python_finds(connection: Connection) -> None:
    """Alone, and so on SQLite by its own index."""
    for term in TERMS:
        query = QUERY.validate_python({"search": term, "per_page": 100})
        items, total = list_customers(connection, query)
        found = [each["id"] for each in reversed(make_customers()) if is_found(each, term)]
        assert ([item["id"] for item in items], total) == (found[:100], len(found)), term


@pytest.mark.parametrize("field", ["first_name", "last_name"])
def test_names_sort_as_people_read_them(settings: Settings, field: str) -> None:
    names = ["\u200bAnna", "anna", "Émile", "Eric", "élan", "Łucja", "łucja", "Žan", "Zoe", "Анна", "анна"]
    sorted_ids = [1, 2, 5, 3, 4, 6, 7, 8, 9, 10, 11]
    with connect(settings.database_url) as connection:
        for number, name in enumerate(names):
            body = CustomerCreate.model_validate({"email": f"{number}@example.com", field: name})
            create_customer(connection, body)
        query = QUERY.validate_python({"order_by": field, "order_type": "ASC", "per_page": 100})
        items, _ = list_customers(connection, query)
        assert [item["id"] for item in items] == sorted_ids


def test_changed_name_sorts_in_its_new_place(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        for name in ("ada", "Bob"):
            create_customer(connection, CustomerCreate(email=f"{name}@example.com", first_name=name))
        update_customer(connection, 1, {"first_name": "Žoe"})
        query = QUERY.validate_python({"order_by": "first_name", "order_type": "ASC"})
        assert [item["id"] for item in list_customers(connection, query).items] == [2, 1]


def test_longest_name_that_folding_makes_longer_is_stored(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        create_customer(connection, CustomerCreate(email="a@example.com", first_name="\ufdfa" * 255))


def test_search_without_a_connection_of_its_own_is_rejected() -> None:
    """A look-up runs prepared statements only, and a search has none."""

    lookup: Any = SimpleNamespace(dialect=sqlite.dialect())
    with pytest.raises(TypeError, match="a scan"):
        list_customers(lookup, CustomerListQuery(search="ann"))


# Digits, dashes, blanks and format characters of any script, and texts that people write next to a number.
_PHONE_CHARACTERS = st.one_of(
    st.sampled_from("0123456789+()./- ;=:#*ext.Büro,\u2011\u2013\u2212\u202a\u202c\u200b\u3000\u00a0"),
    st.characters(categories=["Nd", "Pd", "Zs", "Cf", "Ll", "Lo", "Mn", "No"]),
)


@hypothesis_settings(max_examples=many(150, 500), deadline=None)
@given(st.text(_PHONE_CHARACTERS, min_size=1, max_size=50))
@example("555-0147 ext. 12")
@example("+1 (416) 555\u20130133")
@example("tel:+1-416-555-0133;ext=4")
@example("\uff10\uff19\uff10\uff0d\uff11\uff12")
@example("\u202a+1 416 555 0199\u202c")
@example("555 \u200b x9")
def test_customer_is_found_by_the_phone_as_it_is_stored(typed: str) -> None:
    try:
        phone = TypeAdapter(Phone).validate_python(typed)
    except ValidationError:
        assume(False)
    assume(phone is not None and any(map(str.isalnum, phone)))
    kept = search_text("Ann", "ann@example.com", phone=phone).split("\n")
    for word in words(str(phone)):
        assert any(form in line for form in word.forms for line in kept), (word, kept)


@pytest.mark.parametrize(
    "term", ["kontakt@xn--bcher-kva.example", "XN--BCHER-KVA", "k@XN--Bcher-Kva.example"]
)
def test_address_with_an_xn_domain_is_found_as_it_was_typed(term: str) -> None:
    kept = search_text("Ann", "kontakt@b\u00fccher.example k@b\u00fccher.example")
    assert all(any(form in kept for form in word.forms) for word in words(term))


@pytest.mark.parametrize("term", ["xn--", "xn---", "xn--\u00fc", "xn--99999999", "xn--" + "a" * 200])
def test_xn_label_that_is_not_valid_is_a_word(term: str) -> None:
    assert [word.identifier for word in words(term)] == [None]
