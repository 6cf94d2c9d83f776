"""fluent-cart init: a shop, its administrator and a password that works."""

import json
import re
from pathlib import Path

import pytest

from fluent_cart import demo
from fluent_cart.cli import init
from fluent_cart.database import connect, migrations
from fluent_cart.security import application_passwords
from fluent_cart.services.application_passwords import find_by_application_password
from fluent_cart.settings import Settings
from tests.cli.conftest import Run, complained, misused

URL = "sqlite:///fluent-cart.db"
ADA = ("--login", "ada", "--email", "Ada@Example.com")


def signs_in(login: str, secret: str) -> bool:
    with connect(URL) as connection:
        digest = application_passwords.digest(secret)
        found = find_by_application_password(connection, login, digest)
    return found is not None and found.user.role == "administrator"


def test_init_prints_a_working_password_once(run: Run) -> None:
    done = run("init", *ADA)
    assert (done.code, done.err) == (0, "")
    [secret] = re.findall(r"^    ((?:\w{4} ){5}\w{4})$", done.out, re.M)
    assert signs_in("ada", secret)
    assert done.out == (
        "The shop is sqlite:///fluent-cart.db.\n"
        "The administrator ada has this application password. It is shown only now:\n"
        f"\n    {secret}\n\n"
        "Docs: http://127.0.0.1:8000/docs\n"
        f"Try:  curl -u ada:{secret.replace(' ', '')} http://127.0.0.1:8000/wp-json/fluent-cart/v2/customers\n"
        "\nServe the shop with: fluent-cart serve\n"
    )


def test_init_prints_its_result_as_json(run: Run) -> None:
    made = json.loads(run("init", *ADA, "--json").out)
    assert signs_in("ada", made.pop("password"))
    assert made == {"database": URL, "login": "ada", "address": "http://127.0.0.1:8000"}


def test_init_prompts_for_missing_options_at_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["ada", "ada@example.com"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda _: answers.pop(0))
    assert run("init").code == 0
    assert answers == []


@pytest.mark.parametrize("options", [(), ADA[:2], ADA[2:]])
def test_missing_answer_without_a_terminal_is_wrong_usage(
    run: Run, folder: Path, options: tuple[str, ...]
) -> None:
    assert run("init", *options) == misused("Standard input is not a terminal. Use --login and --email")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("options", [("--login", "a:b", *ADA[2:]), (*ADA[:2], "--email", "ada")])
def test_init_with_an_invalid_answer_creates_no_file(
    run: Run, folder: Path, options: tuple[str, ...]
) -> None:
    assert run("init", *options).code == 2
    assert list(folder.iterdir()) == []


def test_shop_without_users_gets_its_administrator(run: Run) -> None:
    """As after ``migrate``, or after an interruption."""
    run("migrate")
    assert run("init", *ADA).code == 0


def test_shop_with_users_is_left_alone(run: Run) -> None:
    migrations.upgrade(URL)
    with connect(URL) as connection:
        demo.load(connection)
    assert run("init", *ADA) == complained(
        "The shop sqlite:///fluent-cart.db has users already. "
        "Create another one with: fluent-cart users create"
    )


def test_shop_at_an_older_migration_is_left_alone(run: Run) -> None:
    migrations.upgrade(URL, "0001")
    assert run("init", *ADA) == complained(
        "The database is not at the newest migration. Run: fluent-cart migrate"
    )


def test_empty_database_of_postgresql_becomes_a_shop(
    run: Run, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUENT_CART_DATABASE_URL", empty_postgres_url)
    assert run("init", *ADA).code == 0
    assert [user["login"] for user in json.loads(run("users", "list", "--json").out)] == ["ada"]


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("shop.example", "shop.example")],
)
def test_init_prints_an_address_that_this_machine_can_open(host: str, shown: str) -> None:
    assert init.address_of(host, Settings(_env_file=None).port) == f"http://{shown}:8000"
