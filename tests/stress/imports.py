"""An import that is killed, or that fills the disk, and is run again."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import func, select

from fluent_cart.database import connect
from fluent_cart.models import Address, Base, Customer, Order
from tests.stress.guarantees import Figure, NotRun, Scale, at_least, exactly, guarantee, measured, none
from tests.stress.shops import SQLITE, Shop
from tests.support.postgres import OWNER
from tests.support.server import COMMAND

# Kills in an import of the full size, and its rows. A short run has one batch of customers for each kill.
KILLS, ROWS, SHORT = 10, 120_000, 6_000
SECONDS = 600
NO_ROOM = "There is no room on the disk of the database"
# Megabytes that no import here fills.
LARGE = 4096
TABLES = [Base.metadata.tables[model.__tablename__] for model in (Customer, Address, Order)]
DATE = "'2024-01-01 10:00:00'"
CUSTOMERS = "(id int, email text, first_name text, status text, created_at text, updated_at text)"
ADDRESSES = (
    "(id int, customer_id int, is_primary int, type text, name text, address_1 text, city text, country text,"
    " created_at text, updated_at text)"
)
ORDERS = (
    "(id int, customer_id int, status text, payment_status text, currency text, total_amount int,"
    " total_paid int, total_refund int, created_at text, updated_at text)"
)


def _rows(kills: int) -> int:
    return ROWS if kills == KILLS else kills * SHORT


def write_dump(file: Path, rows: int) -> None:
    """Write a dump of a shop of so many rows: a sixth are customers, a sixth addresses, the rest orders."""
    people, orders = range(1, rows // 6 + 1), range(1, rows - 2 * (rows // 6) + 1)
    with file.open("w") as dump:
        for name, columns, values in (
            (
                "wp_fct_customers",
                CUSTOMERS,
                (f"({n},'import{n}@fire.example','Zoë {n}','active',{DATE},{DATE})" for n in people),
            ),
            (
                "wp_fct_customer_addresses",
                ADDRESSES,
                (f"({n},{n},1,'billing','Zoë Lee','{n} Main St','Rome','IT',{DATE},{DATE})" for n in people),
            ),
            (
                "wp_fct_orders",
                ORDERS,
                (
                    f"({n},{n % len(people) + 1},'completed','paid','USD',{n},{n},0,{DATE},{DATE})"
                    for n in orders
                ),
            ),
        ):
            dump.write(f"CREATE TABLE {name} {columns};\n")
            dump.writelines(f"INSERT INTO {name} VALUES {row};\n" for row in values)


def digest(shop: Shop) -> str:
    """Return a hash of every customer, address and order of a shop."""
    found = hashlib.sha256()
    with connect(shop.url) as connection:
        for table in TABLES:
            for row in connection.execute(select(table).order_by(table.c.id)):
                found.update(repr(tuple(row)).encode())
    return found.hexdigest()


def count(shop: Shop) -> int:
    with connect(shop.url) as connection:
        return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES)


def command(shop: Shop, *arguments: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, **shop.environment}
    return subprocess.Popen(
        [COMMAND, *arguments],
        env=environment,
        cwd=shop.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(shop: Shop, *arguments: str) -> tuple[int, str]:
    """Run a command to its end. Return its exit status and its error."""
    _, errors = (process := command(shop, *arguments)).communicate(timeout=SECONDS)
    return process.returncode, errors


def undisturbed(shop: Shop, dump: Path) -> str:
    """Return the hash of a shop into which nothing disturbed the import."""
    for arguments in (("migrate",), ("import", "wordpress", str(dump))):
        code, errors = run(shop, *arguments)
        assert code == 0, errors
    return digest(shop)


def kill_at(shop: Shop, dump: Path, rows: int) -> bool:
    """Import, and kill the process when the shop has this number of rows. Return whether it was killed."""
    process, deadline = command(shop, "import", "wordpress", str(dump)), time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if count(shop) >= rows:
            process.kill()
            process.communicate()
            return True
        time.sleep(0.05)
    process.kill()
    process.communicate()
    return False


@guarantee("E15", "an import that is killed ten times, and then run again")
async def killed_import(shop: Shop, scale: Scale) -> list[Figure]:
    return await asyncio.to_thread(_kill, shop, min(KILLS, scale.cycles))


def _kill(shop: Shop, kills: int) -> list[Figure]:
    dump, rows = shop.folder / "dump.sql", _rows(kills)
    write_dump(dump, rows)
    wanted, before, done = undisturbed(shop.elsewhere(), dump), 0, 0
    broken = 0
    for number in range(kills):
        # Further each time: after a start, in the customers, in the addresses, in the orders.
        done += kill_at(shop, dump, max(rows * number // kills, before + 1))
        broken += len(shop.violations())
        before = count(shop)
    code, errors = run(shop, "import", "wordpress", str(dump))
    return [
        exactly("kills in the middle of the import", done, kills),
        none("broken rules after a kill", broken),
        measured("rows before the last run", f"{before:,} of {rows:,}"),
        exactly("exit status of the last run", (code, errors), (0, "")),
        exactly("rows", count(shop), rows),
        exactly("hash of all rows", digest(shop), wanted),
    ]


@guarantee("E16", "an import onto a disk that is full, and then is not")
async def import_onto_full_disk(shop: Shop, scale: Scale) -> list[Figure]:
    """The disk is a file system in memory that only root can make."""
    if os.geteuid() != 0:
        raise NotRun("NOT ROOT HERE, so no disk can be made")
    return await asyncio.to_thread(_fill, shop, _rows(min(KILLS, scale.cycles)))


def _fill(shop: Shop, rows: int) -> list[Figure]:
    dump = shop.folder / "dump.sql"
    write_dump(dump, rows)
    wanted = undisturbed(shop.elsewhere(), dump)
    with _disk(shop) as (small, resize):
        used = resize.used()
        # An import gets somewhere on such a disk, but not to its end.
        resize(used + max(rows // 6000, 1))
        status, said = run(small, "import", "wordpress", str(dump))
        # PostgreSQL accepts no connection while its disk is full.
        resize(LARGE)
        half = count(small)
        code, errors = run(small, "import", "wordpress", str(dump))
        found, broken = digest(small), small.violations()
    return [
        at_least("rows that were there when the disk was full", half, 1),
        measured("said of the full disk", said.strip()),
        exactly("exit status while the disk was full", status, 1),
        exactly("no room is named, in one line", (NO_ROOM in said, said.count("\n")), (True, 1)),
        exactly("exit status when there was room", (code, errors), (0, "")),
        exactly("broken rules", broken, {}),
        exactly("hash of all rows", found, wanted),
    ]


@contextmanager
def _disk(shop: Shop) -> Iterator[tuple[Shop, "Resize"]]:
    """Move a shop to a disk of its own, whose size in megabytes can be changed."""
    # Not in the shop's folder, which the owner of PostgreSQL cannot enter.
    disk = Path(tempfile.mkdtemp(prefix="fluent-cart-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={LARGE}m", "tmpfs", disk], check=True)
    resize = Resize(disk)
    try:
        if shop.database == SQLITE:
            shutil.copy(shop.file, disk / "shop.db")
            yield replace(shop, url=f"sqlite:///{disk / 'shop.db'}"), resize
        else:
            yield from _tablespace(shop, disk, resize)
    finally:
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


def _tablespace(shop: Shop, disk: Path, resize: "Resize") -> Iterator[tuple[Shop, "Resize"]]:
    assert shop.cluster
    assert OWNER
    shutil.chown(disk, OWNER)
    name = shop.url.rpartition("/")[2]
    shop.cluster.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
    shop.cluster.execute(f"ALTER DATABASE {name} SET TABLESPACE small")
    try:
        yield shop, resize
    finally:
        shop.cluster.execute(f"ALTER DATABASE {name} SET TABLESPACE pg_default")
        shop.cluster.execute("DROP TABLESPACE small")


class Resize:
    """Changes the size of a disk, as an administrator does who makes room."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk

    def used(self) -> int:
        """Return how many megabytes are in use."""
        return shutil.disk_usage(self._disk).used // 2**20 + 1

    def __call__(self, megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", self._disk], check=True)
