"""fluent-cart personal-data and erase.

See docs/decisions.md#186-personal-data-and-erasure.
"""

import json
from pathlib import Path

import pytest

from fluent_cart.database import connect
from fluent_cart.models import Customer
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.cli.conftest import Run, complained, printed
from tests.conftest import rows


@pytest.fixture(autouse=True)
def _customers(shop: str) -> None:
    with connect(shop) as connection:
        for name in ("Zaphodqx", "Other"):
            customer = CustomerCreate(email=f"{name}@example.com", first_name=name)
            customers.create_customer(connection, customer)


def test_personal_data_is_a_file_that_only_its_owner_can_read(run: Run, folder: Path) -> None:
    text = "one.json has everything about customer 1.\n"
    assert run("personal-data", "1", "one.json") == printed(text)
    data = json.loads((folder / "one.json").read_text())
    assert data["customer"]["email"] == "Zaphodqx@example.com"
    assert (folder / "one.json").stat().st_mode & 0o777 == 0o600


def test_personal_data_of_a_missing_customer_is_an_error_and_no_file(run: Run, folder: Path) -> None:
    assert run("personal-data", "999", "one.json") == complained("Customer with ID 999 not found")
    assert not (folder / "one.json").exists()


def test_erase_removes_the_customers_and_the_remains(run: Run, shop: str, settings: Settings) -> None:
    done = run("erase", "1", "2", "--json")
    assert (done.code, done.err, json.loads(done.out)) == (0, "", {"ids": [1, 2]})
    with connect(shop) as connection:
        assert {row["first_name"] for row in rows(connection, Customer)} == {""}
    if settings.database_url.startswith("sqlite"):
        file = Path(shop.removeprefix("sqlite:///"))
        assert b"Zaphodqx" not in file.read_bytes()
        assert b"zaphodqx" not in file.read_bytes()


def test_erase_of_a_missing_customer_erases_no_other(run: Run, shop: str) -> None:
    assert run("erase", "1", "999") == complained("Customer with ID 999 not found")
    with connect(shop) as connection:
        assert {row["first_name"] for row in rows(connection, Customer)} == {"Zaphodqx", "Other"}
