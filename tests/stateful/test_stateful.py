"""All databases get the same requests: with a model in plain Python, and with hostile input.

Both are short forms. `make test-stress` runs thousands of sequences.

Measured in docs/guarantees.md, C1.
"""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from fastapi import FastAPI

from fluent_cart.settings import Settings
from tests import stateful
from tests.contract import hostile
from tests.contract.test_permissions import BODIES, OPERATIONS, url
from tests.stateful.database_pair import DatabasePair
from tests.support import fuzzing, postgres
from tests.support.long_tests import many
from tests.support.openapi import openapi_document

pytestmark = pytest.mark.slow

SEQUENCES = many(10, 25)
# Of both databases together and under coverage, in seconds of this process: the machine may have other work.
WORST = 1.0


@pytest.fixture
def urls(sqlite_settings: Settings, request: pytest.FixtureRequest) -> list[str]:
    """The shops. If PostgreSQL is missing, the end of the run has a note of it."""
    shops = [sqlite_settings]
    if postgres.AVAILABLE:
        shops.append(request.getfixturevalue("shared_postgres_settings"))
    return [shop.database_url for shop in shops]


def test_every_response_equals_that_of_the_model(urls: list[str]) -> None:
    stateful.run(urls, SEQUENCES, seed=1)


def test_hostile_input_is_answered_alike_and_soon(
    urls: list[str], shared_app: FastAPI, record_property: Callable[[str, object], None]
) -> None:
    worst, number = 0.0, 0
    with DatabasePair(urls) as databases:
        databases.write(fuzzing.fill, 1)
        for method, path, content in hostile_requests(openapi_document(shared_app)):
            started = time.process_time()
            reply = databases.ask(method, path, content)
            worst, number = max(worst, time.process_time() - started), number + 1
            assert reply.status < 500, (method, path, content)
        assert databases.violations() == ({}, 0)
    record_property("requests", number)
    record_property("worst, in ms of processor time", f"{worst * 1000:.0f}")
    assert worst < WORST


def hostile_requests(document: dict[str, Any]) -> Iterator[tuple[str, str, bytes | None]]:
    """Yield a request for each hostile value in each place of a body, a query and an id."""
    described = {
        each["operationId"]: each for methods in document["paths"].values() for each in methods.values()
    }
    numbers = count()
    for method, path, operation in OPERATIONS:
        if operation == "list_customer_changes":
            # Its cursors have the random name of the shop, and transactions that only PostgreSQL numbers.
            continue
        for query in hostile.QUERIES if method == "GET" else ():
            # The rest of these never gets as far, and names no path of its own.
            if query.isascii() and not query.startswith(("#", "?", "rest_route")):
                yield method, f"{url(path)}?{query}", None
        for member, place in hostile.places(document, described[operation]) if operation in BODIES else ():
            for value in hostile.FOR_DATABASES.values():
                valid = BODIES[operation]
                if "email" in valid:
                    valid = {"email": f"new{next(numbers)}@example.com"}
                yield method, url(path), hostile.body_with(place, member, value, valid)
        for identifier in ("0", "-1", str(2**63 - 1), str(2**63), "9" * 23) if "{" in path else ():
            yield method, url(path, identifier), json.dumps(BODIES.get(operation, {})).encode()
