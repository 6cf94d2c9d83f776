"""Addresses of databases: which are known, how they are shown, and a transaction on any of them."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import OperationalError

from fluent_cart.clock import now
from fluent_cart.database import UnsupportedDatabase, connect, create_database, describe
from fluent_cart.database.postgresql import PostgreSQLDatabase
from fluent_cart.database.sqlite import SQLiteDatabase
from fluent_cart.models import Customer
from fluent_cart.settings import Settings

REFUSAL = "FLUENT_CART_DATABASE_URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


def settings_for(url: str) -> Settings:
    return Settings(database_url=url, _env_file=None)


def store(connection: Connection, email: str) -> None:
    values = {"email": email, "email_key": email, "additional_info": {}, "search_text": ""}
    connection.execute(insert(Customer), values | {"created_at": now(), "updated_at": now()})


def emails(url: str) -> list[str]:
    with connect(url) as connection:
        return list(connection.scalars(select(Customer.email).order_by(Customer.id)))


class TestCreateDatabase:
    def test_create_database_opens_sqlite_by_its_path(self, tmp_path: Path) -> None:
        database = create_database(settings_for(f"sqlite:///{tmp_path}/shop.db"))
        assert isinstance(database, SQLiteDatabase)
        assert database.path == tmp_path / "shop.db"
        database.stop()

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
    def test_create_database_opens_postgresql(self, scheme: str) -> None:
        database = create_database(settings_for(f"{scheme}://shop:secret@db.example/shop"))
        assert isinstance(database, PostgreSQLDatabase)
        database.stop()

    def test_create_database_creates_no_file(self, tmp_path: Path) -> None:
        database = create_database(settings_for(f"sqlite:///{tmp_path}/shop.db"))
        database.start()
        assert not database.exists()
        database.stop()
        assert list(tmp_path.iterdir()) == []

    def test_create_database_does_not_connect_to_a_server(self) -> None:
        database = create_database(settings_for("postgresql://shop@127.0.0.1:1/shop"))
        assert database.exists()
        database.stop()

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "shop.db",
            "sqlite:",
            "sqlite://",
            "sqlite:///",
            "sqlite+aiosqlite:///shop.db",
            "mysql://shop:hunter2@db.example/shop",
            "postgres+asyncpg://shop:hunter2@db.example/shop",
            "postgresql+asyncpg://shop:hunter2@db.example/shop",
            "postgresql://shop@db.example:hunter2/shop",
            "hunter2",
        ],
    )
    def test_create_database_rejects_other_urls_without_repeating_them(self, url: str) -> None:
        with pytest.raises(UnsupportedDatabase) as refused:
            create_database(settings_for(url))
        assert str(refused.value) == REFUSAL


class TestDescribe:
    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("sqlite:///fluent-cart.db", "sqlite:///fluent-cart.db"),
            ("sqlite:////var/lib/shop.db", "sqlite:////var/lib/shop.db"),
            ("postgresql://shop@db.example/shop", "postgresql://shop@db.example/shop"),
            ("postgresql://shop:hunter2@db.example:5433/shop", "postgresql://shop:***@db.example:5433/shop"),
            ("postgresql://shop:hunter%402@db.example/shop", "postgresql://shop:***@db.example/shop"),
        ],
    )
    def test_describe_shows_all_but_the_password(self, url: str, shown: str) -> None:
        assert describe(url) == shown

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://shop@db.example/shop?password=hunter2",
            "postgresql:///shop?host=db.example&user=shop&password=hunter2&sslpassword=hunter2",
        ],
    )
    def test_describe_hides_a_password_among_the_parameters(self, url: str) -> None:
        """The PostgreSQL client takes it there as well."""
        assert "hunter2" not in describe(url)


class TestConnect:
    def test_connect_commits_at_its_end(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            store(connection, "a@example.com")
            store(connection, "b@example.com")
        assert emails(settings.database_url) == ["a@example.com", "b@example.com"]

    def test_connect_rolls_back_every_change_on_an_error(self, settings: Settings) -> None:
        def fail(connection: Connection) -> None:
            store(connection, "a@example.com")
            raise RuntimeError("half-way")

        with pytest.raises(RuntimeError, match="half-way"), connect(settings.database_url) as connection:
            fail(connection)
        assert emails(settings.database_url) == []

    def test_connect_is_invisible_to_others_until_its_commit(self, sqlite_settings: Settings) -> None:
        database = create_database(sqlite_settings)
        with connect(sqlite_settings.database_url) as connection:
            store(connection, "a@example.com")
            with database.snapshot() as other:
                assert other.scalar(select(func.count()).select_from(Customer)) == 0
        database.stop()

    def test_connect_locks_a_sqlite_file_from_its_start(self, sqlite_settings: Settings) -> None:
        """A migration that first reads would otherwise fail when another process writes in between."""
        other = sqlite3.connect(sqlite_settings.database_url.removeprefix("sqlite:///"), timeout=0)
        with connect(sqlite_settings.database_url), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.close()

    def test_connect_leaves_no_connection_open(self, sqlite_settings: Settings, tmp_path: Path) -> None:
        with connect(sqlite_settings.database_url) as connection:
            store(connection, "a@example.com")
        assert connection.closed
        # The last connection to go takes the write-ahead log along.
        assert list(tmp_path.glob("*-wal")) == []

    def test_connect_rejects_what_create_database_rejects(self) -> None:
        with pytest.raises(UnsupportedDatabase, match=REFUSAL), connect("mysql://shop@db.example/shop"):
            pass

    def test_connect_makes_no_folder(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/nowhere/shop.db"
        with pytest.raises(OperationalError, match="unable to open database file"), connect(url):
            pass
        assert list(tmp_path.iterdir()) == []
