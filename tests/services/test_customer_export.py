"""An export holds whom the list shows, in its order, each as Get Customer Details answers."""

import csv
import json
import tracemalloc
from collections.abc import Iterator
from io import StringIO
from itertools import cycle, islice
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from fluent_cart.database import connect
from fluent_cart.enums import FileFormat
from fluent_cart.models import Customer
from fluent_cart.schemas.customer_queries import CustomerExportQuery, CustomerListQuery
from fluent_cart.services.customer_export import export_customers
from fluent_cart.services.customer_search import list_customers
from fluent_cart.services.customers import get_customer
from fluent_cart.settings import Settings
from tests.services.test_customer_search import make_customers, make_queries
from tests.support.long_tests import many

QUERIES = 60
ROWS = many(2_000, 100_000)


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings.database_url) as connection:
        connection.execute(insert(Customer), make_customers())
        yield connection


def exported(connection: Connection, **query: Any) -> list[dict[str, Any]]:
    pieces = export_customers(connection, CustomerExportQuery(format=FileFormat.NDJSON, **query))
    return [json.loads(line) for line in b"".join(pieces).splitlines()]


def listed(connection: Connection, **query: Any) -> list[int]:
    """Return the ids on all pages of the list."""
    ids: list[int] = []
    for page in (1, 2, 3):
        found = list_customers(connection, CustomerListQuery(page=page, per_page=100, **query))
        ids += [item["id"] for item in found.items]
    assert len(ids) == found.total
    return ids


def test_export_has_all_customers_of_the_list_in_its_order(connection: Connection) -> None:
    sizes = set()
    for query in islice(make_queries(), QUERIES):
        del query["page"], query["per_page"]
        wanted = listed(connection, **query)
        assert [each["id"] for each in exported(connection, **query)] == wanted, query
        sizes.add(len(wanted))
    assert {0, 1, 200} <= sizes


def test_both_formats_are_the_details_of_each(connection: Connection) -> None:
    records = exported(connection)
    assert records == [get_customer(connection, record["id"]) for record in records]
    assert [list(record) for record in records[:1]] == [list(get_customer(connection, 1))]
    text = b"".join(export_customers(connection, CustomerExportQuery())).decode()
    header, *rows = csv.reader(StringIO(text, newline=""))
    assert header == list(records[0])
    assert [row[0] for row in rows] == [str(record["id"]) for record in records]


def test_memory_does_not_grow_with_the_shop(settings: Settings) -> None:
    """A hundred customers are in memory at a time, in Python and in SQLite's own cursor."""
    more = [
        {
            **customer,
            "id": number,
            "email_key": f"c{number}@example.com",
            "additional_info": {"text": "x" * 400},
        }
        for number, customer in zip(range(1, ROWS + 1), cycle(make_customers()), strict=False)
    ]
    peaks = []
    for some in (more[: ROWS // 4], more[ROWS // 4 :]):
        with connect(settings.database_url) as connection:
            connection.execute(insert(Customer), some)
        with connect(settings.database_url) as connection:
            tracemalloc.start()
            lines = sum(piece.count(b"\n") for piece in export_customers(connection, CustomerExportQuery()))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert lines == some[-1]["id"] + 1
    assert peaks[1] < 1.2 * peaks[0]
