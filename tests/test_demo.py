"""The demo shop is the contract's sample world, seen as its user sees it: over HTTP."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from fluent_cart import demo
from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database import connect
from fluent_cart.models import Base, User
from fluent_cart.security import login_passwords
from fluent_cart.services import invariants
from fluent_cart.settings import Settings
from tests.conftest import MakeClient, rows
from tests.support.errors import assert_error
from tests.support.login import make_nonce, sign_in, with_nonce


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory: the demo makes its file there."""
    (folder := tmp_path / "here").mkdir()
    monkeypatch.chdir(folder)
    return folder


URL = f"sqlite:///{demo.FILE}"
SETTINGS = Settings(database_url=URL, _env_file=None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's file, to be copied from."""
    with chdir(made := tmp_path_factory.mktemp("demo")):
        demo.create(SETTINGS)
    return made


@pytest.fixture
def settings(made: Path, folder: Path) -> Settings:
    """The demo shop."""
    shutil.copy(made / demo.FILE, folder)
    return SETTINGS


@pytest.fixture
async def visitor(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A reader of the documentation."""
    async with client_of(httpx.BasicAuth("username", "application_password")) as client:
        yield client


async def data(answer: httpx.Response) -> Any:
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    return answer.json()["data"]


class TestJohnDoe:
    async def test_john_doe_is_customer_1_with_two_addresses(self, visitor: httpx.AsyncClient) -> None:
        timestamps = {"created_at": "2024-01-01T10:00:00Z", "updated_at": "2024-01-15T14:30:00Z"}
        name = {"first_name": "John", "last_name": "Doe"}
        more = {"address_2": None, "company_name": None, "phone": None}
        assert await data(await visitor.get("/1")) == {
            "customer": {
                "id": 1,
                "email": "customer@example.com",
                **name,
                "phone": "+1234567890",
                "status": "active",
                "total_spent": 5000,
                "order_count": 3,
                **timestamps,
                "addresses": [
                    {
                        "id": 1, "type": "billing", **name, "address_1": "123 Main St", "city": "New York",
                        "state": "NY", "postcode": "10001", "country": "US", "is_primary": True, **more,
                    },
                    {
                        "id": 2, "type": "shipping", **name, "address_1": "456 Oak Ave", "city": "Brooklyn",
                        "state": "NY", "postcode": "11201", "country": "US", "is_primary": False, **more,
                    },
                ],
                "user_id": None,
                "additional_info": {"company": "Example Corp", "notes": "VIP customer"},
            }
        }  # fmt: skip

    async def test_john_doe_spent_5000_cents_in_3_orders_1667_on_average(
        self, visitor: httpx.AsyncClient
    ) -> None:
        assert await data(await visitor.get("/get-stats/1")) == {
            "stats": {
                "total_spent": 5000,
                "order_count": 3,
                "average_order_value": 1667,
                "last_order_date": "2024-01-15T14:30:00Z",
                "first_order_date": "2024-01-01T10:00:00Z",
            }
        }

    async def test_john_doe_has_the_orders_of_the_example(self, visitor: httpx.AsyncClient) -> None:
        paid = {"payment_status": "paid", "currency": "USD"}
        first, between, last = (await data(await visitor.get("/1/orders")))["orders"]
        assert first == {
            "id": 1, "status": "completed", **paid, "total_amount": 2500,
            "created_at": "2024-01-01T10:00:00Z",
        }  # fmt: skip
        assert last == {
            "id": 2, "status": "processing", **paid, "total_amount": 2500,
            "created_at": "2024-01-15T14:30:00Z",
        }  # fmt: skip
        # The example lists two orders and counts three.
        assert (between["id"], between["total_amount"]) == (3, 0)


class TestUsers:
    async def test_only_johndoe_and_janesmith_of_the_demo_can_be_attached(
        self, visitor: httpx.AsyncClient
    ) -> None:
        assert await data(await visitor.get("/attachable-user")) == {
            "users": [
                {
                    "id": 1, "display_name": "John Doe",
                    "user_email": "john@example.com", "user_login": "johndoe",
                },
                {
                    "id": 2, "display_name": "Jane Smith",
                    "user_email": "jane@example.com", "user_login": "janesmith",
                },
            ]
        }  # fmt: skip

    async def test_johndoe_attaches_to_john_doe(self, visitor: httpx.AsyncClient) -> None:
        attached = await data(await visitor.post("/1/attachable-user", json={"user_id": 1}))
        assert attached["customer"]["user_id"] == 1

    async def test_username_may_do_everything(self, visitor: httpx.AsyncClient) -> None:
        await data(await visitor.get(""))
        deleted = await visitor.request("DELETE", "/1/address", json={"address_id": 2})
        assert deleted.status_code == 200
        with connect(URL) as connection:
            roles = {user["login"]: user["role"] for user in rows(connection, User)}
        assert roles == {"johndoe": "subscriber", "janesmith": "subscriber", "username": "administrator"}
        assert roles["username"] in ROLE_PERMISSIONS

    @pytest.mark.parametrize(
        ("login", "secret"),
        [
            ("username", "application password"),
            ("owner@example.com", "application_password"),
            ("username", "appl icat ionp assw ord"),
        ],
    )
    async def test_username_signs_in_however_the_password_is_grouped(
        self, client_of: MakeClient, login: str, secret: str
    ) -> None:
        async with client_of(httpx.BasicAuth(login, secret)) as client:
            assert (await client.get("")).status_code == 200

    @pytest.mark.parametrize("login", ["johndoe", "janesmith", "admin"])
    async def test_no_other_demo_user_has_a_password(self, client_of: MakeClient, login: str) -> None:
        async with client_of(httpx.BasicAuth(login, "application_password")) as client:
            assert_error(await client.get(""), 401, "authentication_failed")
            assert (await sign_in(client, login, "login_password")).status_code == 403

    async def test_username_signs_in_by_form_with_another_one(self, client_of: MakeClient) -> None:
        async with client_of() as client:
            assert (await sign_in(client, "username", "application_password")).status_code == 403
            assert (await sign_in(client, "username", "login_password")).status_code == 302
            assert (await client.get("", headers=with_nonce(await make_nonce(client)))).status_code == 200

    def test_demo_password_hash_has_todays_cost(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(login_passwords, "COST", 12)
        assert not login_passwords.is_outdated(demo.LOGIN_HASH)


class TestOthers:
    async def test_demo_has_a_few_dozen_customers(self, visitor: httpx.AsyncClient) -> None:
        answer = await visitor.get("", params={"per_page": 100})
        customers = (await data(answer))["customers"]
        assert len(customers) == int(answer.headers["x-wp-total"]) == 40
        assert {customer["status"] for customer in customers} == {"active", "inactive"}
        assert {customer["order_count"] for customer in customers} == {0, 1, 2, 3}
        assert len({customer["created_at"] for customer in customers}) == 39
        assert len((await data(await visitor.get("", params={"page": 4})))["customers"]) == 10

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("john doe", ["customer@example.com"]),
            ("zoe muller", ["zoe.muller@example.com"]),
            ("o'brien", ["mary.obrien@example.com"]),
            ("johnson", ["emma.johnson@example.com"]),
        ],
    )
    async def test_demo_customers_are_found_by_name(
        self, visitor: httpx.AsyncClient, search: str, found: list[str]
    ) -> None:
        customers = (await data(await visitor.get("", params={"search": search})))["customers"]
        assert [customer["email"] for customer in customers] == found

    async def test_demo_customers_have_valid_addresses(self, visitor: httpx.AsyncClient) -> None:
        """Sent back as they are, they pass every check and change nothing."""
        for customer_id in range(2, 40):
            (address,) = (await data(await visitor.get(f"/{customer_id}/address")))["addresses"]
            sent = {key: value for key, value in address.items() if key != "id"}
            await data(
                await visitor.put(f"/{customer_id}/address", json={"address_id": address["id"], **sent})
            )
            customer = (await data(await visitor.get(f"/{customer_id}")))["customer"]
            assert customer["addresses"] == [address]
            await data(await visitor.put(f"/{customer_id}", json={"email": customer["email"]}))

    def test_demo_shop_breaks_no_rule(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            assert invariants.find_violations(connection) == {}


class TestCreate:
    @staticmethod
    def content() -> dict[str, list[tuple[Any, ...]]]:
        """Return every row, without columns that depend on the present time or on a random number."""
        connection = sqlite3.connect(demo.FILE)
        # In the models' order, not in the order of the migrations.
        tables = {
            name: connection.execute(str(select(table).order_by(table.c.id))).fetchall()
            for name, table in Base.metadata.tables.items()
        }
        connection.close()
        tables["orders"] = [row[:-1] for row in tables["orders"]]
        tables["users"] = [row[:-1] for row in tables["users"]]
        tables["customer_changes"] = [row[:-1] for row in tables["customer_changes"]]
        # The random name of the shop.
        del tables["customer_change_log"]
        return tables

    def test_two_demo_shops_have_the_same_rows_in_files_of_their_own(self, settings: Settings) -> None:
        expected = self.content()
        with demo.temporary_shop(SETTINGS) as first, demo.temporary_shop(SETTINGS) as second:
            assert len({settings.database_url, first.database_url, second.database_url}) == 3
            file = first.database_url.removeprefix("sqlite:///")
            shutil.copy(file, demo.FILE)
            assert self.content() == expected
        assert not Path(file).parent.exists()

    def test_demo_has_the_same_ids_each_time(self) -> None:
        demo.create(SETTINGS)
        connection = sqlite3.connect(demo.FILE)
        assert connection.execute("SELECT max(id), count(*) FROM customers").fetchone() == (40, 40)
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'customers'").fetchone() == (
            40,
        )
        connection.close()
