"""A fresh shop for each test, and callers of every kind.

``anonymous``, ``no_permissions`` (signed in), ``viewer`` and ``manager`` are HTTP clients of the same
application. ``database`` runs units of work on the same shop, to prepare it or to check its rows.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, insert, update

from fluent_cart.app import create_app
from fluent_cart.auth.limits import create_limits
from fluent_cart.clock import now
from fluent_cart.database import Database, connect, create_database, migrations
from fluent_cart.database.scan_queue import CALLER
from fluent_cart.models import ApplicationPassword, Base, User
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.security import application_passwords, login_passwords
from fluent_cart.services import addresses, customers, invariants, users
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.support import mariadb, postgres
from tests.support.login import Work, watch

# A user for every role of the policy, and one with an unknown role. The e-mail name of each is its login.
ROLES = ("administrator", "super_admin", "manager", "worker", "accountant", "subscriber")

Record = dict[str, Any]
MakeCustomer = Callable[..., Awaitable[Record]]
MakeAddress = Callable[..., Awaitable[Record]]
MakeClient = Callable[..., httpx.AsyncClient]


def secret_of(role: str) -> str:
    """Return the application password of the test user with this role."""
    return f"secret {role}".ljust(24, "x")


def login_password_of(role: str) -> str:
    """Return the login password of the test user with this role."""
    return f"login as {role}"


def credentials(role: str) -> httpx.BasicAuth:
    """Return the credentials of the test user with this role."""
    return httpx.BasicAuth(role, secret_of(role))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def quick_login_passwords() -> None:
    """Hashes of a hundredth of the usual cost, for new hashes and for refusals."""
    login_passwords.COST = 4


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file with the test users, to be copied."""
    path = tmp_path_factory.mktemp("template") / "shop.db"
    make_template(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """A server with a database named ``fluent_cart_template``, to be cloned."""
    with postgres.server() as server, _administration(server) as execute:
        execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        execute(f"CREATE DATABASE {TEMPLATE}")
        make_template(f"{server}/{TEMPLATE}")
        yield server
        execute(f"DROP DATABASE {TEMPLATE}")


TEMPLATE = "fluent_cart_template"
# Templates of both databases have the same times, because tests compare their responses.
STARTED = now()


@contextmanager
def _administration(server: str) -> Iterator[Callable[[str], object]]:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        yield lambda statement: connection.execute(statement.encode())


def make_template(url: str) -> None:
    """Upgrade an empty database to the newest migration, and add the test users."""
    migrations.upgrade(url)
    with connect(url) as connection:
        for role in ROLES:
            login_hash = login_passwords.hash_password(login_password_of(role))
            user_id = users.create_user(
                connection, role, f"{role}@shop.example", role.title(), role, login_hash
            )
            connection.execute(
                insert(ApplicationPassword),
                {
                    "user_id": user_id,
                    "name": "test",
                    "password_hash": application_passwords.digest(secret_of(role)),
                    "created_at": STARTED,
                    # So that no test's first request is a write, too.
                    "last_used": STARTED,
                },
            )
        connection.execute(update(User).values(created_at=STARTED))


@pytest.fixture
def sqlite_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """A shop on SQLite, for tests of SQLite's own features."""
    path = tmp_path / "shop.db"
    shutil.copy(sqlite_template, path)
    return Settings(database_url=f"sqlite:///{path}", _env_file=None)


@pytest.fixture
def postgres_settings(postgres_template: str) -> Iterator[Settings]:
    """A shop for tests that need PostgreSQL. They may change its tables."""
    name = f"fluent_cart_{uuid4().hex}"
    with _administration(postgres_template) as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        yield Settings(database_url=f"{postgres_template}/{name}", _env_file=None)
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgres_url(postgres_template: str) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"fluent_cart_{uuid4().hex}"
    with _administration(postgres_template) as execute:
        execute(f"CREATE DATABASE {name}")
        yield f"{postgres_template}/{name}"
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_shop(postgres_template: str) -> Iterator[str]:
    """One database for all tests that leave its tables alone: making one takes longer than most tests."""
    name = f"fluent_cart_{uuid4().hex}"
    with _administration(postgres_template) as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield f"{postgres_template}/{name}"
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_session(postgres_shop: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The session that restores the shared database: a new session has no plans, and takes longer."""
    with psycopg.connect(postgres_shop, autocommit=True) as connection:
        connection.execute(REMEMBER)
        yield connection


REMEMBER = """
CREATE SCHEMA remembered;
CREATE TABLE remembered.users AS TABLE users;
CREATE TABLE remembered.application_passwords AS TABLE application_passwords;
CREATE TABLE remembered.customer_change_log AS TABLE customer_change_log;
"""
# DELETE takes 1 ms where TRUNCATE takes 90 ms, because TRUNCATE makes a new file for each table and index.
RESTORE = (
    "".join(f"DELETE FROM {table.name};\n" for table in reversed(Base.metadata.sorted_tables))
    + """
DELETE FROM customer_name_postcodes;
DELETE FROM customers_search;
UPDATE customer_counts SET count = 0 WHERE count <> 0;
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences;
INSERT INTO users SELECT * FROM remembered.users;
INSERT INTO application_passwords SELECT * FROM remembered.application_passwords;
INSERT INTO customer_change_log SELECT * FROM remembered.customer_change_log;
SELECT setval('users_id_seq', max(id)) FROM users;
SELECT setval('application_passwords_id_seq', max(id)) FROM application_passwords;
"""
)


@pytest.fixture
def shared_postgres_settings(
    postgres_shop: str, postgres_session: psycopg.Connection[tuple[Any, ...]]
) -> Settings:
    """The shared database, as it was made."""
    postgres_session.execute(RESTORE)
    return Settings(database_url=postgres_shop, _env_file=None)


@pytest.fixture(scope="session")
async def shared_postgres_database(postgres_shop: str) -> AsyncIterator[Database]:
    """The shared database, opened once: the first statements of a connection take longer than most tests."""
    async with create_database(Settings(database_url=postgres_shop, _env_file=None)) as database:
        yield database


@pytest.fixture(params=["sqlite", *(["shared_postgres"] if postgres.AVAILABLE else [])])
def settings(request: pytest.FixtureRequest) -> Settings:
    """A fresh shop. Every test with this fixture runs once for each database."""
    shop: Settings = request.getfixturevalue(f"{request.param}_settings")
    return shop


@pytest.fixture(params=["sqlite", *(["postgres"] if postgres.AVAILABLE else [])])
def own_settings(request: pytest.FixtureRequest) -> Settings:
    """A shop of the test's own on each database, whose very tables it may change."""
    shop: Settings = request.getfixturevalue(f"{request.param}_settings")
    return shop


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not postgres.AVAILABLE:
        terminalreporter.write_line(
            "POSTGRESQL WAS NOT TESTED: no FLUENT_CART_TEST_POSTGRES_URL, and no initdb on this machine",
            red=True,
        )
    if not mariadb.AVAILABLE:
        terminalreporter.write_line(
            "LIVE WORDPRESS DATABASES WERE NOT TESTED: no MariaDB server on this machine", red=True
        )


@pytest.fixture
async def own_database(settings: Settings) -> AsyncIterator[Database]:
    """The shop's database, opened by the test alone."""
    async with create_database(settings) as database:
        yield database


@pytest.fixture
def opened_database(settings: Settings, request: pytest.FixtureRequest) -> Database:
    is_shared = settings.database_url.startswith("postgresql:") and (
        settings.database_url == request.getfixturevalue("postgres_shop")
    )
    database: Database = request.getfixturevalue("shared_postgres_database" if is_shared else "own_database")
    return database


@pytest.fixture
async def database(opened_database: Database) -> AsyncIterator[Database]:
    """The shop's database, whose every rule must still hold when the test is over."""
    # Tests run in one task, so the caller of a request is the caller of all that follows.
    CALLER.set(None)
    yield opened_database
    CALLER.set(None)
    assert await opened_database.scan(invariants.find_violations) == {}


UNLIMITED = Settings(database_url="sqlite:///unused.db", rate_limit=0, failed_login_limit=0, _env_file=None)


@pytest.fixture(scope="session")
def shared_app() -> FastAPI:
    return create_app(UNLIMITED)


@pytest.fixture
def app(shared_app: FastAPI, database: Database) -> FastAPI:
    """The application on the test's shop, without limits: a test of those sets its own."""
    shared_app.state.database = database
    shared_app.state.limits = create_limits(UNLIMITED)
    shared_app.state.cors_origins = frozenset()
    return shared_app


@pytest.fixture
def client_of(app: FastAPI) -> MakeClient:
    """Make a client of the customers of v2 with any credentials: ``client_of(credentials("worker"))``."""

    def make(auth: httpx.Auth | None = None, prefix: str = PREFIX) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=f"http://shop.example{prefix}", auth=auth)

    return make


@pytest.fixture
async def anonymous(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of() as client:
        yield client


@pytest.fixture
async def no_permissions(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(credentials("subscriber")) as client:
        yield client


@pytest.fixture
async def viewer(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(credentials("worker")) as client:
        yield client


@pytest.fixture
async def manager(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(credentials("manager")) as client:
        yield client


@pytest.fixture
def work() -> Iterator[Work]:
    """The cost of signing in."""
    with watch() as done:
        yield done


@pytest.fixture
def make_customer(database: Database) -> MakeCustomer:
    """Store a customer: ``await make_customer(email="a@example.com", first_name="A")``."""

    async def make(**fields: Any) -> Record:
        return await database.write(customers.create_customer, CustomerCreate(**fields))

    return make


@pytest.fixture
def make_address(database: Database) -> MakeAddress:
    """Store an address: ``await make_address(customer_id, city="Berlin")``."""

    async def make(customer_id: int, **fields: Any) -> Record:
        place = {"address_1": "1 Main St", "city": "New York", "country": "US"} | fields
        return await database.write(addresses.create_address, customer_id, AddressCreate(**place))

    return make


def rows(connection: Connection, table: Any) -> list[Record]:
    """Return every row of a table by its key, to compare before with after.

    For example: ``await database.scan(rows, Customer)``.
    """
    statement = table.__table__.select().order_by(*table.__table__.primary_key)
    return [dict(row) for row in connection.execute(statement).mappings()]
