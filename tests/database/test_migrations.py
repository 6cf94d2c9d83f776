"""Migrations: the way to the models' schema and back, on both databases, wholly or not at all."""

import ast
import re
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic import config as alembic
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from fluent_cart.database import connect, create_database, migrations
from fluent_cart.models import Address, Base, Customer, User
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.services.customer_search import list_customers
from fluent_cart.services.customers import derived_columns, pick
from fluent_cart.settings import Settings
from tests.support import postgres
from tests.support.paths import ROOT

INI = str(ROOT / "alembic.ini")
SCRIPTS = ScriptDirectory.from_config(alembic.Config(INI))
TABLES = sorted(Base.metadata.tables)

# Objects that models cannot describe: indexes and triggers for search and counts.
BY_HAND = re.compile(r"customers_search|customer_counts|ix_customers_id|record_customer_|name_postcodes")
# Objects that other databases have without a migration.
SQLITE_ONLY, POSTGRESQL_ONLY = {"0011"}, {"0020"}
# Migrations that change rows and no schema.
ROWS_ONLY = {"0013"}

# All parts of a schema, from the server's own catalogue.
_POSTGRESQL = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       l.collname, pg_get_expr(d.adbin, d.adrelid)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'S') AND c.relnamespace = 'public'::regnamespace
UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT tablename, indexname, indexdef, '', '', '' FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), '', '', ''
FROM pg_trigger WHERE NOT tgisinternal
"""

# One to a line, except columns that were added later: these follow a comma outside of brackets.
CLAUSES = re.compile(r",? *\n\t?|, (?![^(]*\))")


def schema(url: str) -> set[Any]:
    """Return the schema from the database's own catalogue, without the order of clauses."""
    with connect(url) as connection:
        if connection.dialect.name == "postgresql":
            rows = {tuple(row) for row in connection.execute(text(_POSTGRESQL))}
        else:
            found = connection.execute(text("SELECT type, name, sql FROM sqlite_master"))
            rows = {(row.type, row.name, _clauses(row.sql or "")) for row in found}
    return {row for row in rows if "alembic_version" not in str(row)}


def _clauses(statement: str) -> frozenset[str]:
    # A column that was added later may be the last of all, with no line to itself.
    return frozenset(filter(None, CLAUSES.split(statement.removesuffix(")"))))


def at(url: str) -> str | None:
    with connect(url) as connection:
        return migrations.current(connection)


def revisions() -> list[Script]:
    """Return the migrations, oldest first."""
    return list(SCRIPTS.walk_revisions())[::-1]


@pytest.fixture
def settings(own_settings: Settings) -> Settings:
    return own_settings


@pytest.fixture
def url(settings: Settings) -> str:
    """A database that has been at the newest migration and is empty again."""
    migrations.downgrade(settings.database_url, "base")
    return settings.database_url


class TestSchema:
    def test_migrated_schema_is_that_of_the_models(self, url: str) -> None:
        """With checks, collations and partial indexes, which ``compare_metadata`` does not compare."""
        empty = schema(url)
        migrations.upgrade(url)
        migrated = {row for row in schema(url) if not BY_HAND.search(str(row))}
        migrations.downgrade(url, "base")
        assert schema(url) == empty
        with connect(url) as connection:
            Base.metadata.create_all(connection)
        assert schema(url) == migrated

    def test_migrated_schema_leaves_nothing_to_autogenerate(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection, warnings.catch_warnings():
            # SQLAlchemy cannot read SQLite's indexes on expressions. The test above can.
            warnings.filterwarnings("ignore", ".*expression-based index", Warning)
            options = {
                "compare_server_default": True,
                "include_name": lambda name, *_: not BY_HAND.search(name or ""),
            }
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, Base.metadata) == []

    def test_schema_names_follow_the_convention(self, settings: Settings) -> None:
        found = dict(names(settings.database_url))
        for name, table in found.items():
            assert re.fullmatch(rf"pk_{table}|(fk|uq|ck|ix)_{table}_(?!(fk|uq|ck|ix)_)\w+", name)
        tables = Base.metadata.tables.values()
        assert set(found) >= {str(constraint.name) for table in tables for constraint in table.constraints}
        assert set(found) >= {str(index.name) for table in tables for index in table.indexes}

    def test_deleted_ids_are_not_used_again(self, settings: Settings) -> None:
        """Not even that of the newest row, when it is deleted."""
        user = "'ada', 'ada@example.com', 'ada@example.com', 'Ada', 'editor', '', '2024-01-01T10:00:00Z'"
        columns = "login, login_key, email, email_key, display_name, role, search_text, created_at"
        statement = f"INSERT INTO users ({columns}) VALUES ('ada', {user}) RETURNING id"
        with connect(settings.database_url) as connection:
            first = connection.scalar(text(statement))
            connection.execute(text("DELETE FROM users"))
            assert connection.scalar(text(statement)) == first + 1
            if connection.dialect.name == "sqlite":
                query = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name"
                # The newest change stays, so its id is not used again either.
                assert {*TABLES} - {*connection.scalars(text(query))} == {"customer_changes"}


def names(url: str) -> Iterator[tuple[str, str]]:
    """Return the name of every constraint and index of the models' tables, and its table."""
    with connect(url) as connection:
        if connection.dialect.name == "postgresql":
            query = (
                "SELECT conname, conrelid::regclass::text FROM pg_constraint"
                " WHERE connamespace = 'public'::regnamespace AND conrelid <> 0"
                " UNION SELECT indexname, tablename FROM pg_indexes WHERE schemaname = 'public'"
            )
            found = [(name, table) for name, table in connection.execute(text(query))]
        else:
            query = "SELECT name, tbl_name, type, sql FROM sqlite_master"
            found = []
            for name, table, kind, sql in connection.execute(text(query)):
                if kind == "index":
                    found.append((name, table))
                elif kind == "table":
                    found += [(constraint, table) for constraint in re.findall(r"CONSTRAINT (\w+)", sql)]
                    # AUTOINCREMENT wants the key in the column's own line, where it has no name.
                    found += [(f"pk_{table}", table) for _ in re.findall("PRIMARY KEY AUTOINCREMENT", sql)]
    return ((name, table) for name, table in found if table in TABLES)


@pytest.mark.slow
class TestUpgrade:
    def test_upgrade_goes_step_by_step_and_back_again(self, url: str) -> None:
        """Each step back restores the schema before that step."""
        seen = {}
        before: str | None = None
        for script in revisions():
            seen[before] = schema(url)
            migrations.upgrade(url, script.revision)
            assert at(url) == script.revision
            others = POSTGRESQL_ONLY if url.startswith("sqlite") else SQLITE_ONLY
            changes = script.revision not in others | ROWS_ONLY
            assert (schema(url) != seen[before]) is changes
            before = script.revision
        newest = schema(url)
        for script in reversed(revisions()):
            migrations.downgrade(url, "-1")
            assert at(url) == script.down_revision
            assert schema(url) == seen[at(url)]
        migrations.upgrade(url)
        assert (at(url), schema(url)) == (migrations.newest(), newest)

    def test_upgrade_of_the_newest_changes_nothing(self, sqlite_settings: Settings) -> None:
        before = schema(sqlite_settings.database_url)
        migrations.upgrade(sqlite_settings.database_url)
        assert schema(sqlite_settings.database_url) == before

    def test_upgrade_keeps_the_rows_of_older_tables(self, url: str) -> None:
        migrations.upgrade(url, "0001")
        row = (
            "'ada', 'ada', 'ada@example.com', 'ada@example.com', 'Ada', 'manager', '', '2024-01-01T10:00:00Z'"
        )
        with connect(url) as connection:
            connection.execute(text(f"INSERT INTO users VALUES (7, {row})"))
        migrations.upgrade(url)
        with connect(url) as connection:
            assert connection.scalar(text("SELECT login FROM users WHERE id = 7")) == "ada"

    def test_phones_of_older_rows_are_found_as_they_are_stored(self, url: str) -> None:
        """In more than one batch."""
        migrations.upgrade(url, "0012")
        phones = [
            "555-0147 ext. 12",
            "+1 416 555 0133",
            None,
            "０９０－１２３４－５６７８",
            "(Büro) +41\u2011٤٤",
            "",
        ]
        customers: list[dict[str, Any]] = [
            {
                "id": number,
                "first_name": "Ann",
                "last_name": "Ö",
                "email": f"{number}@example.com",
                "phone": phone,
                "search_text": f"ann o\n{number}@example.com\n{re.sub('[^0-9]', '', phone or '')}",
                "additional_info": {},
                "created_at": "2024-01-01T10:00:00Z",
                "updated_at": "2024-01-01T10:00:00Z",
            }
            for number, phone in enumerate(phones * 300, start=1)
        ]
        with connect(url) as connection:
            connection.execute(insert(Customer), customers)
        migrations.upgrade(url)
        with connect(url) as connection:
            kept = connection.execute(select(Customer.id, Customer.search_text).order_by(Customer.id)).all()
            assert [(row.id, row.search_text) for row in kept] == [
                (customer["id"], derived_columns(customer)["search_text"]) for customer in customers
            ]
            for phone in filter(None, phones):
                query = CustomerListQuery.model_validate({"search": phone})
                assert list_customers(connection, query)[1] == 300

    @pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
    def test_search_table_has_the_changes_of_the_time_in_which_it_was_filled(
        self, postgres_settings: Settings
    ) -> None:
        url = postgres_settings.database_url
        migrations.downgrade(url, "0019")
        moment = "2024-01-01T10:00:00Z"
        more = {"search_text": "", "additional_info": {}, "created_at": moment, "updated_at": moment}
        with connect(url) as connection:
            connection.execute(insert(Customer), [{"email": key, "email_key": key, **more} for key in "abcd"])
        with connect(url) as changing, ThreadPoolExecutor() as thread:
            name = "first_name = 'Ada', search_text = 'ada'"
            changing.execute(text(f"UPDATE customers SET {name} WHERE id = 2"))
            changing.execute(text("DELETE FROM customers WHERE id = 3"))
            changing.execute(insert(Customer), {"email": "e", "email_key": "e", **more})
            upgrade = thread.submit(migrations.upgrade, url)
            waiting = text("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted")
            # It lets others pass, and tries again.
            for expected in (1, 0):
                while changing.scalar(waiting) != expected:
                    assert not upgrade.done()
                    time.sleep(0.01)
            changing.commit()
            upgrade.result()
        with connect(url) as connection:
            found = connection.execute(text("SELECT id, search_text FROM customers_search ORDER BY id"))
            assert [tuple(row) for row in found] == [(1, ""), (2, "ada"), (4, ""), (5, "")]

    def test_names_of_older_rows_sort_as_people_read_them(self, url: str) -> None:
        """In more than one batch."""
        migrations.upgrade(url, "0013")
        names = ["Zoe", "\u00c9mile", "\u200beric", "", "\u0410\u043d\u043d\u0430", "Stra\u00dfe  Ann"]
        moment = {"created_at": "2024-01-01T10:00:00Z", "updated_at": "2024-01-01T10:00:00Z"}
        customers: list[dict[str, Any]] = [
            {"first_name": name, "last_name": name[::-1], "email": f"{number}@example.com", "phone": None}
            for number, name in enumerate(names * 200)
        ]
        with connect(url) as connection:
            more = {"search_text": "", "additional_info": {}, **moment}
            connection.execute(insert(Customer), [customer | more for customer in customers])
        migrations.upgrade(url)
        columns = ("first_name_key", "last_name_key")
        with connect(url) as connection:
            kept = connection.execute(select(Customer.__table__).order_by(Customer.id)).mappings()
            assert [pick(row, *columns) for row in kept] == [
                pick(derived_columns(customer), *columns) for customer in customers
            ]

    def test_xn_domains_of_older_rows_are_compared_in_unicode(self, url: str) -> None:
        """In several batches. Only imported users may have a second form."""
        migrations.upgrade(url, "0015")
        self._store_old(url, [f"A{number}@XN--Bcher-KVA.example" for number in range(1100)])
        migrations.upgrade(url)
        with connect(url) as connection:
            keys = connection.scalars(select(Customer.email_key).order_by(Customer.id)).all()
            assert keys == [f"a{number}@b\u00fccher.example" for number in range(1100)]
            assert list(connection.scalars(select(User.login_key))) == ["ada"]
            assert list(connection.scalars(select(User.email_key))) == ["ada@b\u00fccher.example"]

    def test_two_forms_of_one_address_stop_the_upgrade(self, url: str) -> None:
        migrations.upgrade(url, "0015")
        self._store_old(url, ["a@b\u00fccher.example", "b@example.com", "A@xn--bcher-kva.example"])
        before = schema(url)
        with pytest.raises(migrations.MigrationError, match=r"customers have the same email.*: 1 and 3\. "):
            migrations.upgrade(url)
        assert (at(url), schema(url)) == ("0015", before)

    def test_duplicates_among_older_rows_have_keys(self, url: str) -> None:
        """In more than one batch."""
        migrations.upgrade(url, "0018")
        people = [
            ("Zo\u00eb", "Lee", "A+shop", "+49 30 555-22 95", "sw1a 1aa"),
            ("ZOE", "Lee", "b+c+d", "\u0660\u0660\u0664\u0669 30 5552295", "SW1A-1AA"),
            ("", "Lee", "plain", "555", "10115"),
            ("Ann", "Lee", "+x", None, " -"),
        ]
        moment = {"created_at": "2024-01-01T10:00:00Z", "updated_at": "2024-01-01T10:00:00Z"}
        customers: list[dict[str, Any]] = []
        addresses: list[dict[str, Any]] = []
        for number, (first, last, box, phone, postcode) in enumerate(people * 251, start=1):
            shown = {
                "first_name": first,
                "last_name": last,
                "email": f"{box}@{number}.example",
                "phone": phone,
            }
            customers.append(shown | derived_columns(shown) | {"id": number, "additional_info": {}} | moment)
            if number > 1000:
                place = {"address_1": "1 Main St", "city": "Rome", "country": "GB", "postcode": postcode}
                addresses.append(
                    {"id": number + 7, "customer_id": number, "type": "billing"} | place | moment
                )
        keys = ("phone_key", "mailbox_key")
        with connect(url) as connection:
            older = [{name: row[name] for name in row if name not in keys} for row in customers]
            connection.execute(insert(Customer), older)
            connection.execute(insert(Address), addresses)
        migrations.upgrade(url)
        statement = "SELECT * FROM customer_name_postcodes ORDER BY address_id"
        with connect(url) as connection:
            stored = connection.execute(select(Customer.__table__).order_by(Customer.id)).mappings()
            assert [pick(row, *keys) for row in stored] == [pick(row, *keys) for row in customers]
            assert {row["phone_key"] for row in customers} == {"", "49305552295"}
            assert list(map(tuple, connection.execute(text(statement)))) == [
                (1008, 1001, "zoe lee SW1A1AA"),
                (1009, 1002, "zoe lee SW1A1AA"),
            ]

    def _store_old(self, url: str, emails: list[str]) -> None:
        moment = "'2024-01-01T10:00:00Z'"
        columns = (
            "email, first_name, last_name, status, additional_info, total_spent, order_count, search_text"
        )
        values = "'', '', 'active', '{}', 0, 0, ''"
        with connect(url) as connection:
            for email in emails:
                connection.execute(
                    text(
                        f"INSERT INTO customers ({columns}, created_at, updated_at)"
                        f" VALUES ('{email}', {values}, {moment}, {moment})"
                    )
                )
            columns = "login, login_key, email, email_key, display_name, role, search_text, created_at"
            address = "'ada@xn--bcher-kva.example'"
            user = f"'ada', 'ada', {address}, {address}, 'Ada', 'manager', '', {moment}"
            connection.execute(text(f"INSERT INTO users ({columns}) VALUES ({user})"))

    def test_upgrade_that_fails_half_way_leaves_nothing_changed(self, url: str) -> None:
        """A migration finds its table there already, when those before it are through."""
        with connect(url) as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER)"))
        before = schema(url)
        with pytest.raises(DBAPIError, match="already exists"):
            migrations.upgrade(url)
        assert (at(url), schema(url)) == (None, before)
        with connect(url) as connection:
            connection.execute(text("DROP TABLE orders"))
        migrations.upgrade(url)
        assert at(url) == migrations.newest()

    def test_upgrade_makes_a_missing_sqlite_file(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/new.db"
        migrations.upgrade(url)
        assert at(url) == migrations.newest()

    def test_upgrade_that_fails_leaves_a_missing_file_empty(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/new.db"
        with pytest.raises(Exception, match="Can't locate revision identified by 'nothing'"):
            migrations.upgrade(url, "nothing")
        assert schema(url) == set()


class TestIsNewest:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database will do: what differs between them is tested above."""
        return sqlite_settings

    def is_newest(self, settings: Settings) -> bool:
        database = create_database(settings)
        try:
            with database.snapshot() as connection:
                return migrations.is_newest(connection)
        finally:
            database.stop()

    def test_newest_migration_is_the_one_that_alembic_names(self) -> None:
        assert migrations.newest() == SCRIPTS.get_current_head()

    def test_database_at_the_newest_migration_is_newest(self, settings: Settings) -> None:
        assert self.is_newest(settings)

    def test_database_at_an_older_migration_is_not_newest(self, settings: Settings) -> None:
        for _ in revisions():
            migrations.downgrade(settings.database_url, "-1")
            assert not self.is_newest(settings)
        assert at(settings.database_url) is None

    def test_empty_database_is_not_newest(self, tmp_path: Path) -> None:
        (path := tmp_path / "new.db").touch()
        assert not self.is_newest(Settings(database_url=f"sqlite:///{path}", _env_file=None))

    def test_database_of_a_later_version_is_not_newest(self, settings: Settings) -> None:
        with connect(settings.database_url) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        assert not self.is_newest(settings)


class TestScripts:
    def test_migrations_form_one_line(self) -> None:
        assert SCRIPTS.get_heads() == [migrations.newest()]
        assert SCRIPTS.get_bases() == [revisions()[0].revision]
        assert [script.down_revision for script in revisions()] == [
            None,
            *(script.revision for script in revisions()[:-1]),
        ]

    def test_scripts_are_named_by_date_number_and_noun(self) -> None:
        for script in revisions():
            assert re.fullmatch(rf"20\d\d_\d\d_\d\d_{script.revision}_[a-z_]+\.py", Path(script.path).name)

    def test_migration_scripts_have_docstrings(self) -> None:
        assert all(script.doc for script in revisions())

    def test_migration_scripts_import_only_alembic_and_sqlalchemy(self) -> None:
        """The allowed imports, in addition to the standard library.

        A migration that imported a model would change with it.
        """
        imported: set[str] = set()
        for script in revisions():
            for node in ast.walk(ast.parse(Path(script.path).read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported.add(node.module or "")
        outside = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
        assert outside == {"alembic", "sqlalchemy"}


class TestAlembicsOwnCommand:
    """For authors of migrations: ``alembic.ini`` at the top of a checkout makes alembic's command work."""

    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database will do: what differs between them is tested above."""
        return sqlite_settings

    @pytest.fixture(autouse=True)
    def here(self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", url)
        monkeypatch.chdir(tmp_path)

    def test_migrations_go_up_and_down_by_the_alembic_command(self, url: str) -> None:
        alembic.main(["-c", INI, "upgrade", "head"])
        assert at(url) == migrations.newest()
        alembic.main(["-c", INI, "downgrade", "base"])
        assert at(url) is None

    def test_failed_migration_is_rolled_back(self, url: str) -> None:
        with connect(url) as connection:
            connection.execute(text("CREATE TABLE orders (id INTEGER)"))
        before = schema(url)
        with pytest.raises(DBAPIError, match="already exists"):
            alembic.main(["-c", INI, "upgrade", "head"])
        assert (at(url), schema(url)) == (None, before)
