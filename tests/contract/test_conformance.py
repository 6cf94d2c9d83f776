"""The server conforms to its OpenAPI document.

This is the short form of row C2 in docs/guarantees.md. Here one database gets the requests that Schemathesis
makes at the limits of the document, the other one gets its random requests. In `make test-stress` both
databases get all requests.
"""

from collections.abc import Collection

import pytest

from fluent_cart.app import create_app
from fluent_cart.database import connect
from fluent_cart.settings import Settings
from tests.contract.test_permissions import OPERATIONS
from tests.support import fuzzing, postgres
from tests.support.long_tests import many

pytestmark = pytest.mark.slow

SEED, EXAMPLES = 1, many(4, 10)


def assert_conforming(shop: Settings, *phases: str, without: Collection[str] = ()) -> set[str]:
    with connect(shop.database_url) as connection:
        fuzzing.fill(connection, SEED)
    app = create_app(shop.model_copy(update={"rate_limit": 0, "failed_login_limit": 0}))
    found = fuzzing.fuzz(app, EXAMPLES, SEED, phases, without)
    assert found.complaints == []
    assert len(found.requests) == len(OPERATIONS) - len(without)
    assert min(found.requests.values()) >= EXAMPLES
    return set(found.checks)


def test_requests_at_the_limits_of_the_schema_conform(sqlite_settings: Settings) -> None:
    # Addresses have many fields, one of them with every country: `make test-stress` takes their time.
    assert_conforming(sqlite_settings, "examples", "coverage", without=["create_address", "update_address"])


@pytest.mark.parametrize("kind", ["shared_postgres" if postgres.AVAILABLE else "sqlite"])
def test_random_requests_conform(kind: str, request: pytest.FixtureRequest) -> None:
    made = assert_conforming(request.getfixturevalue(f"{kind}_settings"), "fuzzing", "stateful")
    assert fuzzing.CHECKS - made <= {"use_after_free"}
