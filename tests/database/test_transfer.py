"""A shop moved between databases is the same shop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, text

from fluent_cart import demo
from fluent_cart.cli.main import main
from fluent_cart.database import connect, create_database, migrations
from fluent_cart.database.transfer import NOT_COPIED
from fluent_cart.models import Base, Customer
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers, invariants
from fluent_cart.settings import Settings
from tests.support import postgres

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line. Return its output or its error."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["fluent-cart", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capsys.readouterr()
        return printed.out if not exit_.value.code else printed.err

    return run


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """The demo shop, whose newest customer was deleted: its id must not come back."""
    url = f"sqlite:///{tmp_path / 'source.db'}"
    migrations.upgrade(url)
    with connect(url) as connection:
        demo.load(connection)
        connection.execute(delete(Customer).where(Customer.id == 40))
    return url


def content(connection: Connection) -> dict[str, list[Any]]:
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
        for table in Base.metadata.sorted_tables
        if table.name not in NOT_COPIED
    }


def new_customer(connection: Connection) -> int:
    created = customers.create_customer(connection, CustomerCreate(email="new@example.com"))
    customer_id: int = created["id"]
    return customer_id


def assert_same(source: str, target: str) -> None:
    with connect(source) as original, connect(target) as copied:
        assert content(copied) == content(original)
        assert len(content(copied)["customers"]) == 39


def indexes(connection: Connection) -> list[Any]:
    """Return PostgreSQL's indexes. While rows are copied, those that can be created again are missing."""
    found = text("SELECT tablename, indexname, indexdef FROM pg_indexes ORDER BY 1, 2")
    return [row for row in connection.execute(found) if not row.tablename.startswith("pg_")]


seen_pages = text(
    "SELECT relallvisible = relpages AND relpages > 0 FROM pg_class WHERE relname = 'customers'"
)


class TestCopy:
    def test_copy_from_sqlite_to_sqlite_keeps_all_rows(self, shop: str, tmp_path: Path, run: Run) -> None:
        target = f"sqlite:///{tmp_path / 'target.db'}"
        assert f"The shop is copied. All {len(invariants.INVARIANTS)} rules hold." in run(
            "copy", shop, target
        )
        assert_same(shop, target)
        with connect(target) as connection:
            assert new_customer(connection) == 41

    @pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
    def test_copy_to_postgresql_and_back_keeps_all_rows(
        self, shop: str, tmp_path: Path, postgres_settings: Settings, run: Run
    ) -> None:
        away, back = postgres_settings.database_url, f"sqlite:///{tmp_path / 'back.db'}"
        with connect(away) as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(delete(table))
            before = indexes(connection)
        run("copy", shop, away)
        assert_same(shop, away)
        with connect(away) as connection:
            assert indexes(connection) == before
            # An index alone answers from the first request on: the server has looked at every page.
            assert connection.scalar(seen_pages) is True
        run("copy", away, back)
        assert_same(shop, back)
        for url in (away, back):
            with connect(url) as connection:
                assert new_customer(connection) == 41

    def test_target_that_holds_a_shop_is_rejected(self, shop: str, tmp_path: Path, run: Run) -> None:
        target = f"sqlite:///{tmp_path / 'target.db'}"
        run("copy", shop, target)
        complaint = "fluent-cart: The target is not empty. It has rows in users\n"
        assert run("copy", shop, target).endswith(complaint)
        assert_same(shop, target)

    def test_shop_that_breaks_a_rule_is_not_copied(self, shop: str, tmp_path: Path, run: Run) -> None:
        target = f"sqlite:///{tmp_path / 'target.db'}"
        with connect(shop) as connection:
            connection.execute(Customer.__table__.update().values(total_spent=1))  # type: ignore[attr-defined]
        assert "Nothing was copied" in run("copy", shop, target)
        with create_database(Settings(database_url=target, _env_file=None)).snapshot() as connection:
            assert content(connection)["customers"] == []

    def test_missing_source_is_named(self, tmp_path: Path, run: Run) -> None:
        source, target = f"sqlite:///{tmp_path / 'no.db'}", f"sqlite:///{tmp_path / 'target.db'}"
        assert run("copy", source, target) == (
            f"fluent-cart: There is no database at {source}. Create a shop with: fluent-cart init\n"
        )
        assert not (tmp_path / "no.db").exists()
