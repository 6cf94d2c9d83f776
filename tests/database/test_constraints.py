"""Each constraint of the schema is violated, found by its name, and returned as documented."""

import re

import pytest
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import IntegrityError

from fluent_cart.clock import now
from fluent_cart.database import Database, connect
from fluent_cart.database.constraints import (
    CONSTRAINT_ERRORS,
    ConstraintViolation,
    constraint_name,
    to_api_error,
)
from fluent_cart.errors import InvalidEmail, InvalidUser
from fluent_cart.models import (
    Address,
    ApplicationPassword,
    Base,
    Customer,
    CustomerChange,
    CustomerChangeLog,
    IdempotencyKey,
    MergedCustomer,
    Order,
    Session,
    User,
)
from fluent_cart.settings import Settings

# The shop's test users have the ids 1 to 6, and an application password each. ``fill`` adds the rest.
VIOLATIONS = {
    "pk_users": "UPDATE users SET id = 1 WHERE id = 2",
    "uq_users_login": "UPDATE users SET login_key = 'manager' WHERE id = 1",
    "uq_users_email": "UPDATE users SET email_key = 'manager@shop.example' WHERE id = 1",
    "pk_application_passwords": "UPDATE application_passwords SET id = 1 WHERE id = 2",
    "uq_application_passwords_hash": (
        "UPDATE application_passwords SET user_id = 1, password_hash ="
        " (SELECT password_hash FROM application_passwords WHERE id = 1) WHERE id = 2"
    ),
    "uq_application_passwords_uuid": (
        "UPDATE application_passwords SET user_id = 1, uuid = 'same' WHERE id IN (1, 2)"
    ),
    "fk_application_passwords_user_id_users": "UPDATE application_passwords SET user_id = 99 WHERE id = 1",
    "pk_idempotency_keys": "UPDATE idempotency_keys SET id = 1 WHERE id = 2",
    "uq_idempotency_keys_key": "UPDATE idempotency_keys SET key = 'first' WHERE id = 2",
    "fk_idempotency_keys_user_id_users": "UPDATE idempotency_keys SET user_id = 99 WHERE id = 1",
    "pk_sessions": "UPDATE sessions SET id = 1 WHERE id = 2",
    "uq_sessions_token_hash": "UPDATE sessions SET token_hash = 'first' WHERE id = 2",
    "fk_sessions_user_id_users": "UPDATE sessions SET user_id = 99 WHERE id = 1",
    "pk_customers": "UPDATE customers SET id = 1 WHERE id = 2",
    "uq_customers_email": "UPDATE customers SET email_key = 'a@example.com' WHERE id = 2",
    "uq_customers_user_id": "UPDATE customers SET user_id = 1 WHERE id = 2",
    "fk_customers_user_id_users": "UPDATE customers SET user_id = 99 WHERE id = 2",
    "ck_customers_status": "UPDATE customers SET status = 'Active' WHERE id = 1",
    "ck_customers_totals": "UPDATE customers SET total_spent = -1 WHERE id = 1",
    "pk_customer_addresses": "UPDATE customer_addresses SET id = 1 WHERE id = 2",
    "uq_customer_addresses_primary": "UPDATE customer_addresses SET is_primary = true WHERE id = 2",
    "fk_customer_addresses_customer_id_customers": (
        "UPDATE customer_addresses SET customer_id = 99 WHERE id = 1"
    ),
    "ck_customer_addresses_type": "UPDATE customer_addresses SET type = 'home' WHERE id = 1",
    "pk_orders": "UPDATE orders SET id = 1 WHERE id = 2",
    "fk_orders_customer_id_customers": "UPDATE orders SET customer_id = 99 WHERE id = 1",
    "ck_orders_money": "UPDATE orders SET total_refund = -1 WHERE id = 1",
    "pk_merged_customers": "UPDATE merged_customers SET id = 1 WHERE id = 2",
    "uq_merged_customers_customer_id": "UPDATE merged_customers SET customer_id = 7 WHERE id = 2",
    "fk_merged_customers_survivor_id_customers": "UPDATE merged_customers SET survivor_id = 99 WHERE id = 1",
    "pk_customer_changes": "UPDATE customer_changes SET id = (SELECT min(id) FROM customer_changes)",
    "pk_customer_change_log": "INSERT INTO customer_change_log SELECT * FROM customer_change_log",
}
# More ways to break some of them, and violations without a name.
OTHERS = {
    "UPDATE customers SET order_count = -1 WHERE id = 1": "ck_customers_totals",
    "UPDATE orders SET total_paid = -1 WHERE id = 1": "ck_orders_money",
    "UPDATE customers SET email = NULL WHERE id = 1": None,
}
DOCUMENTED = {"uq_customers_email", "uq_customers_user_id", "fk_customers_user_id_users"}


def fill(connection: Connection) -> None:
    """Store two keys, two sessions, and two customers: the first with a user, two addresses and orders."""
    moment = {"created_at": now(), "updated_at": now()}
    customer = {"additional_info": {}, "search_text": "", **moment}
    for email, user_id in (("a@example.com", 1), ("b@example.com", None)):
        own = {"email": email, "email_key": email, "user_id": user_id}
        connection.execute(insert(Customer), own | customer)
    for primary in (True, False):
        place = {"customer_id": 1, "address_1": "1 Main St", "city": "Berlin", "country": "DE", **moment}
        connection.execute(insert(Address), place | {"is_primary": primary})
        order = {"customer_id": 1, "status": "pending", "payment_status": "pending", "currency": "EUR"}
        connection.execute(insert(Order), order | moment)
    for customer_id in (7, 8):
        merged = {"customer_id": customer_id, "survivor_id": 1, "merged_at": now()}
        connection.execute(insert(MergedCustomer), merged)
    for key in ("first", "second"):
        kept = {"user_id": 1, "route": "POST /", "key": key, "fingerprint": "", "status": 200, "body": "{}"}
        connection.execute(insert(IdempotencyKey), kept | {"created_at": now()})
        session = {"user_id": 1, "token_hash": key, "key": key, "created_at": now(), "expires_at": now()}
        connection.execute(insert(Session), session)


def execute(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))


def violate(connection: Connection, statement: str) -> IntegrityError:
    with pytest.raises(IntegrityError) as refused, connection.begin_nested():
        execute(connection, statement)
    return refused.value


def is_distinguished(dialect: str, name: str) -> bool:
    """SQLite names neither foreign keys nor primary keys: their columns may have a unique index, too."""
    return dialect == "postgresql" or not name.startswith(("fk_", "pk_"))


def test_every_constraint_and_unique_index_has_a_violation_in_this_file() -> None:
    tables = Base.metadata.tables.values()
    schema = {str(constraint.name) for table in tables for constraint in table.constraints}
    schema |= {str(index.name) for table in tables for index in table.indexes if index.unique}
    assert set(VIOLATIONS) == schema


def test_violated_constraint_is_identified_by_its_name(settings: Settings) -> None:
    with connect(settings.database_url) as connection:
        fill(connection)
        named = {
            name: constraint_name(violate(connection, statement)) for name, statement in VIOLATIONS.items()
        }
        others = {statement: constraint_name(violate(connection, statement)) for statement in OTHERS}
        dialect = connection.dialect.name
    assert named == {name: name if is_distinguished(dialect, name) else None for name in VIOLATIONS}
    assert others == OTHERS


def test_other_violations_than_documented_errors_are_500(settings: Settings) -> None:
    """Everything else is a surprise, which is logged and answered 500: it contains no value of the row."""
    with connect(settings.database_url) as connection:
        fill(connection)
        refusals = {name: violate(connection, statement) for name, statement in VIOLATIONS.items()}
        dialect = connection.dialect.name
    for name, refusal in refusals.items():
        answer, named = to_api_error(refusal), name if is_distinguished(dialect, name) else None
        if named in DOCUMENTED:
            assert type(answer) is CONSTRAINT_ERRORS[name]
        else:
            assert type(answer) is ConstraintViolation
            assert re.fullmatch(rf"\w+ (SQLITE_CONSTRAINT_[A-Z]+|23\w+), constraint {named}", str(answer))


def test_three_constraints_have_an_error_of_the_contract() -> None:
    assert {
        "uq_customers_email": InvalidEmail,
        "uq_customers_user_id": InvalidUser,
        "fk_customers_user_id_users": InvalidUser,
    } == CONSTRAINT_ERRORS


async def test_unit_of_work_that_loses_a_race_raises_the_error_of_its_constraint(database: Database) -> None:
    await database.write(fill)
    races = {
        "uq_customers_email": InvalidEmail,
        "uq_customers_user_id": InvalidUser,
        "ck_customers_status": ConstraintViolation,
    }
    for name, error in races.items():
        with pytest.raises(error):
            await database.write(execute, VIOLATIONS[name])


def test_other_database_error_has_no_constraint_name() -> None:
    for message in (
        "",
        "database is locked",
        "UNIQUE constraint failed: nothing.known",
        "CHECK constraint failed: ",
    ):
        error = IntegrityError("UPDATE", {}, Exception(message))
        assert constraint_name(error) is None
        assert str(to_api_error(error)) == "Exception None, constraint None"


def test_every_table_of_the_models_is_tested_here() -> None:
    """A new table needs violations above."""
    known = {User, ApplicationPassword, IdempotencyKey, Session, Customer, Address, Order}
    known |= {CustomerChange, CustomerChangeLog, MergedCustomer}
    assert {model.__tablename__ for model in known} == set(Base.metadata.tables)
