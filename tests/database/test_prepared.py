"""Prepared statements have the same results as SQLAlchemy, in less time."""

from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from fluent_cart.database import Database, connect
from fluent_cart.database.prepared import Prepared
from fluent_cart.models import Address, Customer, User
from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, MakeCustomer

NEW = {
    "email": "new@example.com",
    "email_key": "new@example.com",
    "additional_info": {"ключ": [1, {"a": None}], "b": 'x"\\'},
    "total_spent": 0,
    "order_count": 0,
    "search_text": "%s %(name)s :name ?",
    "created_at": "2024-01-01T10:00:00Z",
    "updated_at": "9999-12-31T23:59:59Z",
    "status": "active",
    "first_name": "",
    "last_name": "O'Brien %",
}


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    for number in (1, 2, 3):
        await make_customer(email=f"{number}@example.com", additional_info={"number": number})
    await make_address(1)
    await make_address(1, type="shipping")


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (select(Customer.__table__).order_by(Customer.id), {}),
        (select(Address.__table__).where(Address.id == bindparam("wanted")), {"wanted": 2}),
        (select(Customer.id).where(Customer.id.in_([1, 3]), Customer.status == "active"), {}),
        (select(Customer.id).where(Customer.created_at >= bindparam("since")), {"since": NEW["created_at"]}),
        (select(Customer.id).where(Customer.created_at >= "2024-01-01T10:00:00Z").limit(2).offset(1), {}),
        (select(func.count()).select_from(Customer).where(Customer.email.contains("%", autoescape=True)), {}),
        (select(Customer.id).where(Customer.id == bindparam("wanted")), {"wanted": 999}),
    ],
    ids=str,
)  # fmt: skip
async def test_select_returns_the_same_rows(
    shop: None, database: Database, statement: Any, values: dict[str, Any]
) -> None:
    prepared = Prepared(statement)

    def both(connection: Connection) -> tuple[Any, Any]:
        usual = connection.execute(statement, values)
        return [tuple(row) for row in usual], prepared.rows(connection, values)

    for _ in range(2):
        usual, quick = await database.scan(both)
        assert quick == usual
        assert [type(value) for row in quick for value in row] == [
            type(value) for row in usual for value in row
        ]


async def test_insert_and_an_update_store_the_same_values(shop: None, database: Database) -> None:
    inserted = Prepared(insert(Customer).returning(Customer.__table__), NEW)
    updated = Prepared(update(Customer).where(Customer.id == bindparam("customer_id")), ("phone",))

    def store(connection: Connection) -> list[Any]:
        [quick] = inserted.records(connection, NEW)
        assert updated.rows(connection, customer_id=quick["id"], phone="+1 %s") == []
        usual = connection.execute(
            insert(Customer).returning(Customer.__table__), NEW | {"email_key": "usual@example.com"}
        )
        stored = connection.execute(select(Customer.__table__).where(Customer.id == quick["id"]))
        return [quick, stored.mappings().one(), usual.mappings().one()]

    quick, stored, usual = await database.write(store)
    assert stored == {**quick, "phone": "+1 %s"}
    assert {**usual, "id": 0, "email_key": ""} == {**quick, "id": 0, "email_key": ""}
    assert {name: quick[name] for name in NEW} == NEW


class TestErrors:
    def test_prepared_errors_are_those_of_sqlalchemy(self, settings: Settings) -> None:
        taken = Prepared(insert(Customer), NEW)
        missing = Prepared(select(Customer.id).where(text("no_such_column = 1")))
        with connect(settings.database_url) as connection:
            taken.rows(connection, NEW)
            with pytest.raises(IntegrityError) as refused, connection.begin_nested():
                taken.rows(connection, NEW)
            with pytest.raises((OperationalError, ProgrammingError)), connection.begin_nested():
                missing.rows(connection)
            assert isinstance(refused.value, DBAPIError)
            assert "example.com" not in str(refused.value).partition("DETAIL")[0]
            connection.execute(delete(Customer))

    def test_missing_parameter_of_a_statement_is_an_error(self, settings: Settings) -> None:
        prepared = Prepared(select(User.id).where(User.id == bindparam("wanted")))
        with connect(settings.database_url) as connection, pytest.raises((KeyError, DBAPIError)):
            prepared.rows(connection)
