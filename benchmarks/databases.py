"""The databases of a run: generated once, and copied for each arm before each round."""

import hashlib
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from benchmarks import FOLDER, WORK, loading
from benchmarks.registry import POSTGRESQL, SQLITE, Arm
from fluent_cart.database import migrations
from tests.support import postgres

# No database of this name is anybody's but the benchmark's.
PREFIX = "fluent_cart_benchmark_"
SOURCES = ("generate.py", "loading.py", "names.py", "workloads.py")


class Databases:
    """Makes fresh copies of generated shops, on PostgreSQL only if there is a ``server``."""

    def __init__(self, server: str | None) -> None:
        self._server = server
        self._made: set[str] = set()

    def offers(self, arm: Arm) -> bool:
        """Return whether ``arm`` can run here."""
        return arm.database != POSTGRESQL or self._server is not None

    def version(self) -> str | None:
        """Return the name and version of the PostgreSQL server, and whether its commits reach the disk."""
        if self._server is None:
            return None
        with psycopg.connect(f"{self._server}/postgres") as connection:
            ((fsync,),) = connection.execute("SHOW fsync").fetchall()
            return f"PostgreSQL {connection.info.server_version // 10_000} (fsync {fsync})"

    def fresh(self, arm: Arm, count: int) -> str:
        """Return the address of a new copy of the shop with ``count`` customers. Delete an older copy."""
        name = f"{arm.name}_{count}"
        if arm.database == SQLITE:
            return self._file(name, count)
        return self._on_server(name, count) if arm.database == POSTGRESQL else ""

    def _file(self, name: str, count: int) -> str:
        source = _generated(count)
        copy = WORK / f"{name}.db"
        for suffix in ("", "-wal", "-shm", ".lock"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(source, copy)
        return f"sqlite:///{copy}"

    def drop_all(self) -> None:
        """Delete what was made on the server: it may be somebody's, and go on without us."""
        for name in sorted(self._made):
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _on_server(self, name: str, count: int) -> str:
        template, name = f"{PREFIX}shop_{count}", PREFIX + name
        if template not in self._made:
            self._make(template, "template0")
            with _announced(f"{count:,} customers for PostgreSQL"):
                loading.load_postgresql(f"{self._server}/{template}", count)
        self._make(name, template)
        return f"{self._server}/{name}"

    def _make(self, name: str, template: str) -> None:
        self._made.add(name)
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def databases(with_postgresql: bool = True) -> Iterator[Databases]:
    """Yield the databases, with PostgreSQL if it is wanted. Print a note if it is not installed."""
    WORK.mkdir(exist_ok=True)
    if with_postgresql and not postgres.AVAILABLE:
        print("PostgreSQL is not installed: ITS ARMS ARE SKIPPED.", file=sys.stderr)
    is_needed = with_postgresql and postgres.AVAILABLE
    with postgres.server() if is_needed else nullcontext() as server:
        if server and not postgres.NAMED:
            _make_durable(server)
        made = Databases(server)
        try:
            yield made
        finally:
            made.drop_all()


def _make_durable(server: str) -> None:
    """Restart the tests' scratch server with fsync, which tests can do without and measurements cannot."""
    with psycopg.connect(f"{server}/postgres") as connection:
        ((shown,),) = connection.execute("SHOW data_directory").fetchall()
    folder = Path(shown)
    # The file has the command line the server was started with.
    binary, *options = shlex.split((folder / "postmaster.opts").read_text())
    options = ["fsync=on" if option == "fsync=off" else option for option in options[2:]]
    restart = [str(Path(binary).with_name("pg_ctl")), "-D", str(folder), "-w", "-o", shlex.join(options)]
    restart += ["-l", str(folder.parent / "server.log"), "restart"]
    subprocess.run(restart, check=True, user=folder.owner(), cwd=folder, stdout=subprocess.DEVNULL)


def _generated(count: int) -> Path:
    """Return the file with ``count`` customers. It is kept until a migration or the generator changes."""
    made_by = b"".join((FOLDER / name).read_bytes() for name in SOURCES)
    version = f"{migrations.newest()}-{hashlib.sha256(made_by).hexdigest()[:8]}"
    path = WORK / f"shop-{count}-{version}.db"
    if not path.exists():
        for older in WORK.glob(f"shop-{count}-*"):
            older.unlink()
        unfinished = path.with_suffix(".unfinished")
        with _announced(f"{count:,} customers for SQLite"):
            loading.load_sqlite(unfinished, count)
        unfinished.rename(path)
    return path


@contextmanager
def _announced(what: str) -> Iterator[None]:
    print(f"Generating {what} ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    yield
    print(f"  took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
