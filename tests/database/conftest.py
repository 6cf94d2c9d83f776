"""Each test of the engine opens the database itself: a read of the test before may still run."""

import pytest

from fluent_cart.database import Database


@pytest.fixture
def opened_database(own_database: Database) -> Database:
    return own_database
