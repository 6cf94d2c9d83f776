"""fluent-cart migrate, recalculate and check. The rules are tested on both databases."""

import re
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fluent_cart import demo
from fluent_cart.database import connect, migrations
from fluent_cart.database.transfer import copy_shop
from fluent_cart.models import Customer
from fluent_cart.services.invariants import INVARIANTS, SEARCH_RULE, find_violations
from fluent_cart.settings import Settings
from tests.cli.conftest import Run, complained, printed
from tests.conftest import rows
from tests.support import postgres

NEWEST = migrations.newest()

# Statements that break each rule, after parts of the schema are removed, and the ids that show it.
# "-fk table name" is a foreign key in the way: on SQLite, a plain connection checks none.
# "-trigger name" is a trigger of customers in the way.
TAMPERED: dict[str, tuple[list[str], list[int]]] = {
    "a customer who has addresses has exactly one that is primary": (
        ["UPDATE customer_addresses SET is_primary = false WHERE customer_id IN (1, 4)"],
        [1, 4],
    ),
    "an e-mail address belongs to one customer, without regard to case": (
        [
            "DROP INDEX uq_customers_email",
            "UPDATE customers SET email_key = 'customer@example.com' WHERE id = 5",
        ],
        [5],
    ),
    "a user is attached to one customer": (
        ["DROP INDEX uq_customers_user_id", "UPDATE customers SET user_id = 3 WHERE id = 6"],
        [6],
    ),
    "a customer's user exists": (
        ["-fk customers fk_customers_user_id_users", "UPDATE customers SET user_id = 99 WHERE id = 7"],
        [7],
    ),
    "an address belongs to a customer": (
        [
            "-fk customer_addresses fk_customer_addresses_customer_id_customers",
            "UPDATE customer_addresses SET customer_id = 99 WHERE id = 1",
            "UPDATE customer_addresses SET is_primary = true WHERE id = 2",
        ],
        [1],
    ),
    "an order's customer exists": (
        ["-fk orders fk_orders_customer_id_customers", "UPDATE orders SET customer_id = 99 WHERE id = 3",
         "UPDATE customers SET order_count = 2 WHERE id = 1"],
        [3],
    ),
    "an application password belongs to a user": (
        ["-fk application_passwords fk_application_passwords_user_id_users",
         "UPDATE application_passwords SET user_id = 99 WHERE id = 1"],
        [1],
    ),
    "an idempotency key belongs to a user": (
        ["-fk idempotency_keys fk_idempotency_keys_user_id_users",
         "INSERT INTO idempotency_keys (user_id, route, key, fingerprint, status, body, created_at)"
         " VALUES (99, 'POST /', 'key', '', 200, '{}', '2024-01-01T10:00:00Z')"],
        [1],
    ),
    "a session belongs to a user": (
        ["-fk sessions fk_sessions_user_id_users",
         "INSERT INTO sessions (user_id, token_hash, key, created_at, expires_at)"
         " VALUES (99, 'hash', 'key', '2024-01-01T10:00:00Z', '2024-01-03T10:00:00Z')"],
        [1],
    ),
    "a merged id is not the id of a customer, and its survivor exists": (
        [
            "INSERT INTO merged_customers (customer_id, survivor_id, merged_at)"
            " VALUES (7, 1, '2024-01-01T10:00:00Z')"
        ],
        [7],
    ),
    "the stored number of customers is the real number": (
        ["UPDATE customer_counts SET count = count + 1 WHERE id = 0"],
        [41],
    ),
    "a customer's stored totals are those of its orders": (
        ["UPDATE customers SET total_spent = 4999 WHERE id = 1"],
        [1],
    ),
    SEARCH_RULE: (
        ["-trigger customers_search_update", "UPDATE customers SET search_text = 'x' WHERE id = 1"],
        [1],
    ),
}  # fmt: skip

# A row of the search table that is wrong, missing, or left over.
WRONG_SEARCH_TABLES = {
    "update": ("UPDATE customers SET search_text = 'x' WHERE id IN (1, 5)", [1, 5]),
    "insert": (
        "INSERT INTO customers (id, email, email_key, first_name, last_name, status, additional_info,"
        " total_spent, order_count, search_text, created_at, updated_at) VALUES (50, 'a@example.com',"
        " 'a@example.com', '', '', 'active', '{}', 0, 0, 'LONG',"
        " '2024-01-01T10:00:00Z', '2024-01-01T10:00:00Z')".replace("LONG", "x" * 20_000),
        [50],
    ),
    "delete": ("DELETE FROM customers WHERE id = 40", [40]),
}

# A stored total that is wrong in one way each.
WRONG_TOTALS = (
    "total_spent = total_spent + 1",
    "order_count = order_count - 1",
    "first_order_at = last_order_at",
    "last_order_at = NULL",
)


def tamper(url: str, *statements: str) -> None:
    """Change a SQLite file as no unit of work can."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    for statement in statements:
        if not statement.startswith("-fk"):
            connection.execute(statement.replace("-trigger", "DROP TRIGGER"))
    connection.commit()
    connection.close()


def on_postgresql(statement: str) -> str:
    statement = re.sub(r"^-trigger (\w+)$", r"DROP TRIGGER \1 ON customers", statement)
    return re.sub(r"^-fk (\w+) (\w+)$", r"ALTER TABLE \1 DROP CONSTRAINT \2", statement)


def violations_on_postgresql(
    shop: str, url: str, tampered: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, list[int]]]:
    """Return the violations after each list of statements, in a copy of ``shop`` that breaks no rule."""
    found = {}
    with connect(shop) as original, connect(url) as connection:
        connection.execute(text("TRUNCATE users, customers, orders CASCADE"))
        copy_shop(original, connection, lambda *_progress: None)
        for name, statements in tampered.items():
            with connection.begin_nested() as attempt:
                for statement in map(on_postgresql, statements):
                    connection.execute(text(statement))
                found[name] = find_violations(connection)
                attempt.rollback()
        assert find_violations(connection) == {}
    return found


def customers(url: str) -> list[dict[str, Any]]:
    with connect(url) as connection:
        return sorted(rows(connection, Customer), key=lambda customer: int(customer["id"]))


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo shop, to be copied."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    migrations.upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as connection:
        demo.load(connection)
    return path


@pytest.fixture
def demo_shop(demo_file: Path, folder: Path) -> str:
    """The demo shop as the shop that the commands are configured for."""
    shutil.copy(demo_file, folder / "fluent-cart.db")
    return "sqlite:///fluent-cart.db"


LOOK = ". Look at it with: fluent-cart doctor"


class TestMigrate:
    def test_migrate_makes_a_missing_database(self, run: Run, folder: Path) -> None:
        assert run("migrate") == printed(
            f"sqlite:///fluent-cart.db is new, and at the newest migration ({NEWEST}).\n"
        )
        assert (folder / "fluent-cart.db").is_file()
        assert run("users", "list") == printed("There are no users.\n")

    def test_migrate_reads_the_settings_file(self, run: Run, folder: Path) -> None:
        (folder / ".env").write_text("FLUENT_CART_DATABASE_URL=sqlite:///other.db\n")
        assert run("migrate") == printed(
            f"sqlite:///other.db is new, and at the newest migration ({NEWEST}).\n"
        )
        assert sorted(path.name for path in folder.iterdir()) == [".env", "other.db"]

    def test_migrate_upgrades_an_old_database(self, run: Run, shop: str) -> None:
        migrations.downgrade(shop, "0001")
        assert run("check").code == 1
        assert run("migrate").out.endswith(f" is at the newest migration ({NEWEST}).\n")
        assert run("check").code == 0

    def test_migrate_can_be_repeated(self, run: Run, demo_shop: str) -> None:
        before = customers(demo_shop)
        assert run("migrate") == run("migrate")
        assert customers(demo_shop) == before

    @pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
    def test_migrate_never_prints_a_password(
        self, run: Run, postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = postgres_settings.database_url
        for given in (url.replace("shop@", "shop:hunter2@"), f"{url}?password=hunter2"):
            monkeypatch.setenv("FLUENT_CART_DATABASE_URL", given)
            done = run("migrate")
            assert (done.code, done.err) == (0, "")
            assert "hunter2" not in done.out
            assert done.out.endswith(f" is at the newest migration ({NEWEST}).\n")

    @pytest.mark.parametrize("command", ["migrate", "check"])
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://shop:hunter2@127.0.0.1:1/shop",
            "postgresql://127.0.0.1:1/shop?password=hunter2",
            "mysql://shop:hunter2@127.0.0.1/shop",
            "postgresql://127.0.0.1:hunter2/shop",
        ],
    )
    def test_error_of_any_command_is_one_line_without_a_password(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, command: str, url: str
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", url)
        refused = run(command)
        assert (refused.code, refused.out) == (1, "")
        assert re.fullmatch(r"fluent-cart: [^\n]+\n", refused.err)
        assert "hunter2" not in refused.err

    def test_migrate_rejects_a_database_of_a_later_version(self, run: Run, demo_shop: str) -> None:
        """A backup restored into an older installation, for example."""
        tamper(demo_shop, "UPDATE alembic_version SET version_num = '9999'")
        refused = run("migrate")
        assert (refused.code, refused.out) == (1, "")
        assert re.fullmatch(r"fluent-cart: [^\n]+9999[^\n]*\n", refused.err)
        assert run("check") == complained(
            "The database is not at the newest migration. Run: fluent-cart migrate"
        )

    def test_migrate_leaves_everything_as_it_was_when_it_fails(self, run: Run, folder: Path) -> None:
        tamper("sqlite:///fluent-cart.db", "CREATE TABLE orders (id INTEGER)")
        assert run("migrate") == complained(f"sqlite:///fluent-cart.db: table orders already exists{LOOK}")
        connection = sqlite3.connect("fluent-cart.db")
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("orders",)]
        connection.close()

    @pytest.mark.parametrize(
        ("url", "complaint"),
        [
            ("sqlite:///nowhere/shop.db", "unable to open database file"),
            ("sqlite:///folder", "unable to open database file"),
            ("sqlite:///rubbish.db", "file is not a database"),
        ],
    )
    def test_migrate_rejects_a_path_that_cannot_be_a_database(
        self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, complaint: str
    ) -> None:
        (folder / "folder").mkdir()
        (folder / "rubbish.db").write_bytes(b"this is no database" * 100)
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", url)
        assert run("migrate") == complained(f"{url}: {complaint}{LOOK}")


class TestRecalculate:
    def test_recalculate_corrects_wrong_totals_and_prints_their_number(
        self, run: Run, demo_shop: str
    ) -> None:
        right = customers(demo_shop)
        for number, wrong in enumerate(WRONG_TOTALS):
            tamper(demo_shop, f"UPDATE customers SET {wrong} WHERE id = {(1, 3, 6, 7)[number]}")
        assert sum(now != then for now, then in zip(customers(demo_shop), right, strict=True)) == 4
        assert run("recalculate") == printed("4 customers had other totals.\n")
        assert customers(demo_shop) == right
        assert run("recalculate") == printed("All totals were right.\n")
        assert run("check").code == 0

    def test_recalculate_computes_totals_from_the_orders(self, run: Run, demo_shop: str) -> None:
        tamper(demo_shop, "UPDATE orders SET total_refund = 2000 WHERE id = 1")
        assert run("recalculate").code == 0
        assert customers(demo_shop)[0]["total_spent"] == 3000

    def test_recalculate_works_on_an_empty_shop_of_either_database(self, run: Run, shop: str) -> None:
        assert run("recalculate") == printed("All totals were right.\n")


class TestCheck:
    def test_check_finds_nothing_in_a_shop_whose_rules_hold(self, run: Run, demo_shop: str) -> None:
        assert run("check") == printed(f"All {len(INVARIANTS)} rules hold.\n")

    def test_check_finds_nothing_in_an_empty_shop_of_either_database(self, run: Run, shop: str) -> None:
        assert run("check") == printed(f"All {len(INVARIANTS)} rules hold.\n")

    @pytest.mark.parametrize("rule", TAMPERED)
    def test_check_names_a_broken_rule_and_the_ids_that_break_it(
        self, run: Run, demo_shop: str, rule: str
    ) -> None:
        statements, ids = TAMPERED[rule]
        tamper(demo_shop, *statements)
        assert run("check") == complained(f"broken: {rule} (for example {', '.join(map(str, ids))})")

    @pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
    def test_check_finds_broken_rules_on_postgresql(
        self, demo_shop: str, postgres_settings: Settings
    ) -> None:
        tampered = {rule: statements for rule, (statements, _) in TAMPERED.items()}
        found = violations_on_postgresql(demo_shop, postgres_settings.database_url, tampered)
        assert found == {rule: {rule: ids} for rule, (_, ids) in TAMPERED.items()}

    @pytest.mark.parametrize("event", WRONG_SEARCH_TABLES)
    def test_check_finds_a_search_table_without_a_trigger(self, run: Run, demo_shop: str, event: str) -> None:
        statement, ids = WRONG_SEARCH_TABLES[event]
        tamper(demo_shop, f"-trigger customers_search_{event}", statement)
        assert run("check") == complained(f"broken: {SEARCH_RULE} (for example {', '.join(map(str, ids))})")

    @pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
    def test_check_finds_a_search_table_without_a_trigger_on_postgresql(
        self, demo_shop: str, postgres_settings: Settings
    ) -> None:
        tampered = {
            event: [f"-trigger customers_search_{event}", statement]
            for event, (statement, _) in WRONG_SEARCH_TABLES.items()
        }
        found = violations_on_postgresql(demo_shop, postgres_settings.database_url, tampered)
        assert found == {event: {SEARCH_RULE: ids} for event, (_, ids) in WRONG_SEARCH_TABLES.items()}

    def test_every_rule_of_check_is_broken_in_this_file(self) -> None:
        assert set(TAMPERED) == set(INVARIANTS)

    @pytest.mark.parametrize("wrong", WRONG_TOTALS)
    def test_check_compares_each_total(self, run: Run, demo_shop: str, wrong: str) -> None:
        tamper(demo_shop, f"UPDATE customers SET {wrong} WHERE id = 1")
        assert run("check") == complained(
            "broken: a customer's stored totals are those of its orders (for example 1)"
        )

    def test_check_finds_two_primary_addresses_as_well_as_none(self, run: Run, demo_shop: str) -> None:
        tamper(
            demo_shop,
            "DROP INDEX uq_customer_addresses_primary",
            "UPDATE customer_addresses SET is_primary = true",
        )
        assert run("check") == complained(
            "broken: a customer who has addresses has exactly one that is primary (for example 1)"
        )

    def test_check_reports_every_broken_rule(self, run: Run, demo_shop: str) -> None:
        tamper(
            demo_shop,
            "UPDATE customers SET total_spent = 1 WHERE id = 1",
            "UPDATE customer_addresses SET is_primary = false WHERE id = 1",
        )
        assert run("check") == complained(
            "broken: a customer who has addresses has exactly one that is primary (for example 1)",
            "broken: a customer's stored totals are those of its orders (for example 1)",
        )

    def test_check_gives_five_examples_and_none_of_them_twice(self, run: Run, demo_shop: str) -> None:
        """Where three share an e-mail address, the third shares it with two others."""
        tamper(
            demo_shop,
            "DROP INDEX uq_customers_email",
            "UPDATE customers SET email_key = 'same@example.com' WHERE id < 10",
        )
        found = re.fullmatch(
            r"fluent-cart: broken: an e-mail address belongs to one customer, without regard to case"
            r" \(for example ([\d, ]+)\)\n",
            run("check").err,
        )
        assert found
        ids = {int(number) for number in found[1].split(", ")}
        assert len(ids) == 5
        assert ids < set(range(2, 10))

    def test_check_changes_nothing(self, run: Run, demo_shop: str) -> None:
        tamper(demo_shop, "UPDATE customers SET total_spent = 1")
        before = customers(demo_shop)
        assert run("check").code == 1
        assert customers(demo_shop) == before


def test_database_of_another_program_is_not_migrated(run: Run, folder: Path) -> None:
    connection = sqlite3.connect("fluent-cart.db")
    connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
    connection.close()
    assert run("migrate") == complained(
        "The database has a table users, but no migration in alembic_version. It belongs to another "
        "program, or is a damaged shop. Restore a backup, or name a new database"
    )


def test_purge_deletes_old_changes_and_all_on_request(run: Run, demo_shop: str) -> None:
    def number() -> int:
        with connect(demo_shop) as connection:
            return int(connection.scalar(text("SELECT count(*) FROM customer_changes")))

    with connect(demo_shop) as connection:
        connection.execute(
            text("UPDATE customer_changes SET created_at = '2024-01-01T10:00:00Z' WHERE customer_id < 3")
        )
    before = number()
    deleted = run("purge-changes", "--days", "7")
    assert 0 < number() < before
    assert deleted == printed(f"{before - number()} changes are deleted.\n")
    run("purge-changes", "--all", "--json")
    assert number() == 0
