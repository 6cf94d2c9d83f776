"""fluent-cart backup and restore: acknowledged writes are in the backup and in the restored shop."""

import asyncio
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select

from fluent_cart import demo
from fluent_cart.database import connect, create_database, migrations
from fluent_cart.models import Customer
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.services.invariants import INVARIANTS
from fluent_cart.settings import Settings
from tests.cli.conftest import Run, complained, printed
from tests.conftest import rows
from tests.support import postgres

HELD = f"All {len(INVARIANTS)} rules hold."
DEMO = "3 users, 1 application passwords, 40 customers, 40 customer addresses, 62 orders"
SHOP = "sqlite:///fluent-cart.db"
on_postgres = pytest.mark.skipif(
    not postgres.AVAILABLE or shutil.which("pg_dump") is None, reason="no PostgreSQL, or no pg_dump"
)


def emails(url: str) -> list[str]:
    with connect(url) as connection:
        return list(connection.scalars(select(Customer.email).order_by(Customer.id)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo shop, to be copied."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    migrations.upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as connection:
        demo.load(connection)
    return path


@pytest.fixture
def demo_shop(demo_file: Path, folder: Path) -> Path:
    """The demo shop as the shop that the commands are configured for."""
    shutil.copy(demo_file, folder / "fluent-cart.db")
    return folder / "fluent-cart.db"


@pytest.fixture
def empty_postgres(postgres_template: str) -> Iterator[str]:
    """The address of a database without a table."""
    name = f"fluent_cart_{uuid4().hex}"
    with psycopg.connect(f"{postgres_template}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        yield f"{postgres_template}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


class Writer:
    """Creates one customer after the other as a server does, and remembers whose creation was answered."""

    def __init__(self, settings: Settings) -> None:
        self.acknowledged: list[str] = []
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Writer":
        self._thread.start()
        while len(self.acknowledged) < 50:
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        asyncio.run(self._write_until_stopped())

    async def _write_until_stopped(self) -> None:
        async with create_database(self._settings) as database:
            while not self._stop.is_set():
                email = f"{len(self.acknowledged)}@load.example"
                await database.write(customers.create_customer, CustomerCreate(email=email))
                self.acknowledged.append(email)


class TestWhileWriting:
    """E13: every write that was acknowledged before the backup began is in it."""

    def assert_backed_up(
        self, settings: Settings, run: Run, folder: Path, target: str, use: Callable[[str], None]
    ) -> None:
        use(settings.database_url)
        with Writer(settings) as writer:
            before = list(writer.acknowledged)
            assert run("backup", "shop.backup").code == 0
            assert len(writer.acknowledged) >= len(before)
        use(target)
        restored = run("restore", "shop.backup")
        assert (restored.code, restored.err) == (0, "")
        assert " is restored: " in restored.out
        assert restored.out.endswith(f" orders. {HELD}\n")
        found = emails(target)
        assert found[: len(before)] == before
        assert found == writer.acknowledged[: len(found)]
        assert run("check") == printed(f"All {len(INVARIANTS)} rules hold.\n")

    @pytest.fixture
    def use(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        return lambda url: monkeypatch.setenv("FLUENT_CART_DATABASE_URL", url)

    def test_backup_while_writing_has_every_acknowledged_write_on_sqlite(
        self, sqlite_settings: Settings, run: Run, folder: Path, use: Callable[[str], None]
    ) -> None:
        self.assert_backed_up(sqlite_settings, run, folder, "sqlite:///other.db", use)
        assert names(folder) == ["other.db", "shop.backup"]

    @on_postgres
    def test_backup_while_writing_has_every_acknowledged_write_on_postgresql(
        self,
        postgres_settings: Settings,
        empty_postgres: str,
        run: Run,
        folder: Path,
        use: Callable[[str], None],
    ) -> None:
        self.assert_backed_up(postgres_settings, run, folder, empty_postgres, use)
        assert names(folder) == ["shop.backup"]


class TestBackup:
    def test_backup_is_one_file_for_its_owner_alone(self, demo_shop: Path, folder: Path, run: Run) -> None:
        assert run("backup", "shop.backup") == printed(f"{SHOP} is backed up in shop.backup: {DEMO}.\n")
        assert names(folder) == ["fluent-cart.db", "shop.backup"]
        assert stat.S_IMODE((folder / "shop.backup").stat().st_mode) == 0o600

    def test_backup_replaces_an_older_one(self, demo_shop: Path, folder: Path, run: Run) -> None:
        (folder / "shop.backup").write_text("older")
        assert run("backup", str(folder / "shop.backup")).code == 0
        with connect("sqlite:///shop.backup") as connection:
            assert len(rows(connection, Customer)) == 40

    def test_backup_that_fails_leaves_the_older_one(self, demo_shop: Path, folder: Path, run: Run) -> None:
        (folder / "shop.backup").write_text("older")
        damage(demo_shop)
        failed = run("backup", "shop.backup")
        assert (failed.code, failed.out) == (1, "")
        assert failed.err.startswith(f"fluent-cart: {demo_shop.name} is damaged: ")
        assert failed.err.count("\n") == 1
        assert (folder / "shop.backup").read_text() == "older"
        assert names(folder) == ["fluent-cart.db", "shop.backup"]

    def test_backup_without_room_leaves_the_older_one(self, demo_shop: Path, folder: Path, run: Run) -> None:
        (folder / "shop.backup").write_text("older")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
        try:
            failed = run("backup", "shop.backup")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (failed.code, failed.out) == (1, "")
        assert failed.err.startswith("fluent-cart: The copy cannot be written: ")
        assert failed.err.endswith(f" Is there room in {folder}?\n")
        assert (folder / "shop.backup").read_text() == "older"

    def test_backup_of_a_missing_shop_is_rejected(self, folder: Path, run: Run) -> None:
        assert run("backup", "shop.backup") == complained(
            f"There is no database at {SHOP}. Create a shop with: fluent-cart init"
        )
        assert names(folder) == []

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal", ".lock"])
    def test_backup_never_overwrites_the_shop(
        self, demo_shop: Path, folder: Path, run: Run, suffix: str
    ) -> None:
        before = demo_shop.read_bytes()
        assert run("backup", f"fluent-cart.db{suffix}") == complained(
            f"fluent-cart.db{suffix} belongs to the shop itself. Choose another file"
        )
        assert (demo_shop.read_bytes(), names(folder)) == (before, ["fluent-cart.db"])

    @pytest.mark.parametrize("command", ["backup", "export"])
    @pytest.mark.parametrize(
        "way",
        ["../here/fluent-cart.db", "linked/fluent-cart.db", "link", "hard", "../here/fluent-cart.db-wal"],
    )
    def test_backup_never_overwrites_the_shop_under_another_name(
        self, demo_shop: Path, folder: Path, run: Run, command: str, way: str
    ) -> None:
        (folder / "linked").symlink_to(folder, target_is_directory=True)
        (folder / "link").symlink_to(demo_shop)
        os.link(demo_shop, folder / "hard")
        before = (demo_shop.read_bytes(), demo_shop.stat().st_ino, names(folder))
        assert run(command, way) == complained(f"{way} belongs to the shop itself. Choose another file")
        assert (demo_shop.read_bytes(), demo_shop.stat().st_ino, names(folder)) == before

    def test_backup_of_a_linked_shop_never_overwrites_what_the_link_points_to(
        self, demo_shop: Path, folder: Path, run: Run
    ) -> None:
        (folder / "data").mkdir()
        demo_shop.rename(folder / "data" / "real.db")
        demo_shop.symlink_to(folder / "data" / "real.db")
        for suffix in ("", "-wal"):
            assert run("backup", f"data/real.db{suffix}") == complained(
                f"data/real.db{suffix} belongs to the shop itself. Choose another file"
            )

    def test_backup_of_an_empty_file_is_rejected(self, folder: Path, run: Run) -> None:
        (folder / "fluent-cart.db").touch()
        assert run("backup", "shop.backup") == complained(
            "There is no shop in fluent-cart.db: it has no table alembic_version"
        )
        assert names(folder) == ["fluent-cart.db"]

    def test_backup_needs_a_folder_that_exists(self, demo_shop: Path, run: Run) -> None:
        failed = run("backup", "nowhere/shop.backup")
        assert (failed.code, failed.out, failed.err.count("\n")) == (1, "", 1)


def damage(shop: Path) -> None:
    """Make a file that can be opened and is wrong inside."""
    connection = sqlite3.connect(shop)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'customers'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with shop.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 100)


class TestRestore:
    @pytest.fixture
    def backup(self, demo_file: Path, folder: Path) -> Path:
        return Path(shutil.copy(demo_file, folder / "shop.backup"))

    def test_restore_makes_a_shop(self, backup: Path, folder: Path, run: Run) -> None:
        assert run("restore", "shop.backup") == printed(f"{SHOP} is restored: {DEMO}. {HELD}\n")
        assert names(folder) == ["fluent-cart.db", "shop.backup"]
        assert len(emails(SHOP)) == 40

    def test_restore_upgrades_an_older_backup(self, backup: Path, run: Run) -> None:
        migrations.downgrade("sqlite:///shop.backup", "-1")
        before = backup.read_bytes()
        assert run("restore", "shop.backup").code == 0
        with connect(SHOP) as connection:
            assert migrations.is_newest(connection)
        assert backup.read_bytes() == before

    def test_restore_without_force_rejects_an_existing_shop(
        self, backup: Path, folder: Path, run: Run
    ) -> None:
        (folder / "fluent-cart.db").write_text("a shop")
        assert run("restore", "shop.backup") == complained(
            "There is a shop at fluent-cart.db. Replace it with --force, or restore elsewhere"
        )
        assert (folder / "fluent-cart.db").read_text() == "a shop"

    @pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
    def test_restore_with_force_replaces_an_existing_shop(
        self, backup: Path, folder: Path, run: Run, content: bytes | None
    ) -> None:
        shop = folder / "fluent-cart.db"
        if content is None:
            migrations.upgrade(SHOP)
            # A log of the old shop must not be taken for one of the new.
            with connect(SHOP) as connection:
                customers.create_customer(connection, CustomerCreate(email="old@example.com"))
        else:
            shop.write_bytes(content)
        assert run("restore", "shop.backup", "--force").code == 0
        assert (len(emails(SHOP)), names(folder)) == (40, ["fluent-cart.db", "shop.backup"])

    def test_restore_rejects_a_shop_that_is_served(self, demo_shop: Path, run: Run, folder: Path) -> None:
        assert run("backup", "shop.backup").code == 0
        with connect(SHOP) as connection:
            customers.create_customer(connection, CustomerCreate(email="new@example.com"))
        with create_database(Settings(database_url=SHOP)).snapshot() as served:
            assert run("restore", "shop.backup", "--force") == complained(
                "The shop at fluent-cart.db is in use. Stop its server first"
            )
            assert len(rows(served, Customer)) == 41
        assert "new@example.com" in emails(SHOP)

    @pytest.mark.parametrize(
        ("spoil", "complaint"),
        [
            (lambda path: path.unlink(), "There is no file shop.backup"),
            (
                lambda path: path.write_bytes(b"no database" * 100),
                "shop.backup cannot be read as a SQLite database: file is not a database",
            ),
            (damage, "shop.backup is damaged: "),
            (lambda path: path.write_bytes(b""), "shop.backup is empty. There is no shop in it"),
            (
                lambda path: path.write_bytes(b"\n"),
                "shop.backup cannot be read as a SQLite database: file is not a database",
            ),
            (
                lambda path: path.write_bytes(b"PGDMP" + bytes(100)),
                "shop.backup is of PostgreSQL. Restore it there, then move it with: fluent-cart copy",
            ),
            (
                lambda path: other_program(path),
                "There is no shop in shop.backup: it has no table alembic_version",
            ),
            (
                lambda path: execute(path, "DROP TABLE alembic_version"),
                "There is no shop in shop.backup: it has no table alembic_version",
            ),
            (
                lambda path: execute(path, "DELETE FROM alembic_version"),
                "There is no shop in shop.backup: its table alembic_version is empty",
            ),
            (
                lambda path: execute(path, "ALTER TABLE orders RENAME TO old_orders"),
                "There is no shop in shop.backup: it has no table orders",
            ),
            (lambda path: set_revision(path, "from-the-future"), "Can't locate revision identified by "),
            (
                lambda path: execute(path, "UPDATE customers SET total_spent = 1 WHERE id = 1"),
                "The shop in shop.backup breaks a rule: a customer's stored totals are those of its orders",
            ),
        ],
    )
    def test_restore_of_a_damaged_shop_keeps_the_old_one(
        self, backup: Path, folder: Path, run: Run, spoil: Callable[[Path], None], complaint: str
    ) -> None:
        (folder / "fluent-cart.db").write_text("a shop")
        spoil(backup)
        refused = run("restore", "shop.backup", "--force")
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert refused.err.startswith(f"fluent-cart: {complaint}")
        assert (folder / "fluent-cart.db").read_text() == "a shop"
        assert set(names(folder)) <= {"fluent-cart.db", "shop.backup"}


def execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def other_program(path: Path) -> None:
    """Make a database of another program, which is sound."""
    path.unlink()
    execute(path, "CREATE TABLE users (id INTEGER PRIMARY KEY)")


def set_revision(path: Path, revision: str) -> None:
    execute(path, f"UPDATE alembic_version SET version_num = '{revision}'")


@on_postgres
class TestOnPostgresql:
    @pytest.fixture
    def backup(self, postgres_settings: Settings, folder: Path, run: Run, use: Callable[[str], None]) -> Path:
        use(postgres_settings.database_url)
        assert run("backup", "shop.backup").code == 0
        return folder / "shop.backup"

    @pytest.fixture
    def use(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        return lambda url: monkeypatch.setenv("FLUENT_CART_DATABASE_URL", url)

    def test_restore_on_postgresql_needs_an_empty_database(self, backup: Path, run: Run) -> None:
        """That of the shop itself is not."""
        refused = run("restore", "shop.backup")
        assert refused.err.startswith("fluent-cart: The database is not empty: it has a table ")
        assert run("restore", "shop.backup", "--force") == complained(
            "No shop on PostgreSQL is replaced. Restore into a new, empty database"
        )

    def test_backups_of_sqlite_and_postgresql_are_not_mixed_up(
        self, backup: Path, demo_file: Path, empty_postgres: str, run: Run, use: Callable[[str], None]
    ) -> None:
        use(SHOP)
        assert run("restore", "shop.backup") == complained(
            "shop.backup is of PostgreSQL. Restore it there, then move it with: fluent-cart copy"
        )
        use(empty_postgres)
        assert run("restore", str(demo_file)) == complained(
            f"{demo_file} is of SQLite. Restore it into a file, then move it with: fluent-cart copy"
        )

    def test_restore_on_postgresql_rejects_other_archives_and_stays_empty(
        self, empty_postgres: str, folder: Path, run: Run, use: Callable[[str], None]
    ) -> None:
        with psycopg.connect(empty_postgres) as connection:
            connection.execute("CREATE TABLE users (id integer)")
        program = shutil.which("pg_dump")
        assert program
        subprocess.run([program, "--format=custom", "--file=other.backup", empty_postgres], check=True)
        with psycopg.connect(empty_postgres) as connection:
            connection.execute("DROP TABLE users")
        (folder / "empty.backup").touch()
        (folder / "text.backup").write_text("no archive at all")
        use(empty_postgres)
        assert run("restore", "other.backup") == complained(
            "There is no shop in other.backup: it has no table alembic_version"
        )
        assert run("restore", "empty.backup") == complained("empty.backup is empty. There is no shop in it")
        refused = run("restore", "text.backup")
        assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
        assert "archive" in refused.err
        with psycopg.connect(empty_postgres) as connection:
            assert not connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall()

    def test_backup_on_postgresql_names_a_missing_program(
        self, backup: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shutil, "which", lambda _program: None)
        assert run("backup", "shop.backup") == complained(
            "pg_dump is needed, but not installed. It is one of PostgreSQL's client programs"
        )

    @pytest.mark.parametrize(
        "address", ["shop:s%20cret@db.example/shop", "shop@db.example/shop?password=s%20cret"]
    )
    def test_backup_on_postgresql_hides_the_password(
        self,
        backup: Path,
        run: Run,
        use: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        address: str,
    ) -> None:
        """All users of the machine can read a command line."""
        monkeypatch.setenv("PGPASSWORD", "")
        seen = []

        def record(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
            seen.append((command, os.environ["PGPASSWORD"]))
            return subprocess.CompletedProcess(command, 1, stderr="the server said no\nand more\n")

        monkeypatch.setattr(subprocess, "run", record)
        use(f"postgresql://{address}")
        assert run("backup", "shop.backup") == complained("the server said no")
        [(command, password)] = seen
        assert command[-1] == "postgresql://shop@db.example/shop"
        assert password == "s cret"
