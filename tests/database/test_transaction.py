"""A savepoint undoes a part of a transaction."""

import pytest
from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.database.transaction import savepoint
from fluent_cart.errors import InvalidEmail
from fluent_cart.models import Customer
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from tests.conftest import rows


def create(connection: Connection, email: str) -> int:
    customer_id: int = customers.create_customer(connection, CustomerCreate(email=email))["id"]
    return customer_id


def fail_after_create(connection: Connection, email: str) -> None:
    with savepoint(connection):
        create(connection, email)
        raise LookupError


class TestSavepoint:
    async def test_savepoint_undoes_only_the_failed_change(self, database: Database) -> None:
        def unit(connection: Connection) -> None:
            create(connection, "a@example.com")
            with pytest.raises(LookupError):
                fail_after_create(connection, "b@example.com")
            with savepoint(connection):
                create(connection, "c@example.com")

        await database.write(unit)
        kept = {customer["email"] for customer in await database.scan(rows, Customer)}
        assert kept == {"a@example.com", "c@example.com"}

    async def test_savepoint_raises_the_documented_error_of_a_lost_race(self, database: Database) -> None:
        def unit(connection: Connection) -> None:
            create(connection, "a@example.com")
            other = create(connection, "b@example.com")
            with pytest.raises(InvalidEmail), savepoint(connection):
                customers.store_customer(connection, other, {"email_key": "a@example.com"})

        await database.write(unit)
        kept = {customer["email"] for customer in await database.scan(rows, Customer)}
        assert kept == {"a@example.com", "b@example.com"}
