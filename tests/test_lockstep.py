"""The shop in plain Python and on each database, in lockstep: a short form of `make fire`'s bar C3."""

import pytest

from fluent_cart.settings import Settings
from tests import lockstep, postgres

SEQUENCES = 25


def test_every_answer_is_that_of_the_model(sqlite_settings: Settings, request: pytest.FixtureRequest) -> None:
    shops = [sqlite_settings]
    # Where there is no PostgreSQL, the end of the run says so.
    if postgres.AVAILABLE:
        shops.append(request.getfixturevalue("shared_postgres_settings"))
    lockstep.run([shop.database_url for shop in shops], SEQUENCES, seed=1)
