"""Write a whole shop into one file while it is served, and restore a shop from such a file.

SQLite's backup is a database file, PostgreSQL's the custom format of ``pg_dump``. Either is written next to
its final place, checked, and renamed only then, so that the file in its place is always complete.
"""

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile

from sqlalchemy import URL, Connection, func, inspect, make_url, select, table

from fluent_cart.database import connect, describe, is_postgresql
from fluent_cart.database.postgresql_address import for_libpq

SIDE_FILES = ("", "-wal", "-shm", "-journal", ".lock")
# Every shop has these tables, from the first version on.
VERSION = "alembic_version"
SHOP_TABLES = ("users", "application_passwords", "customers", "customer_addresses", "orders")
_MOVE = "fluent-cart copy"
_SQLITE, _POSTGRESQL = b"SQLite format 3\0", b"PGDMP"
# A full disk or quota is an error of the copy, not of the source.
_NOT_WRITTEN = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
_COPY = re.compile(rb'COPY (?:\w+\.)?"?(\w+)"? \(.*\) FROM stdin;')

# The number of rows in each table of SHOP_TABLES.
Counts = Mapping[str, int]


class BackupError(Exception):
    """The shop cannot be backed up or restored. The text names the reason."""


def create_backup(url: str, file: Path) -> Counts:
    """Write the shop at ``url`` into ``file`` and replace an older backup.

    The copy is one state, and durable.

    Return the counts of the rows in the file.
    """
    require_foreign(file, url)
    with atomic_write(file) as unfinished:
        if is_postgresql(url):
            _run("pg_dump", "--format=custom", f"--file={unfinished}", "--dbname", url=url)
            return _counted_archive(unfinished, describe(url))
        return _copy(_path(url), unfinished)


def require_foreign(file: Path, url: str) -> None:
    """Raise ``BackupError`` if ``file`` is the shop itself, or one of the files next to it."""
    if is_postgresql(url):
        return
    shop = _path(url)
    # SQLite keeps its own files next to the target of a link.
    for own in (*_own_files(shop.absolute()), *_own_files(shop.resolve())):
        if file.resolve() == own.resolve() or (file.exists() and own.exists() and file.samefile(own)):
            raise BackupError(f"{file} belongs to the shop itself. Choose another file")


def count_rows(connection: Connection) -> Counts:
    """Return the counts of a shop's rows."""
    return {
        name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in SHOP_TABLES
    }


@contextmanager
def restore_into(file: Path, url: str, *, replace: bool = False) -> Iterator[str]:
    """Yield the address of the shop in ``file`` for migration and checks. After that, ``url`` is this shop.

    Raise an error if ``url`` has a shop, unless it is to be replaced. No process may use a shop that is
    replaced.
    """
    _require_backup(file, url)
    if is_postgresql(url):
        if replace:
            raise BackupError("No shop on PostgreSQL is replaced. Restore into a new, empty database")
        _restore_to_server(file, url)
        yield url
        return
    shop = _path(url)
    if shop.exists() and not replace:
        raise BackupError(f"There is a shop at {shop}. Replace it with --force, or restore elsewhere")
    with atomic_write(shop) as unfinished:
        _copy(file, unfinished)
        yield f"sqlite:///{unfinished}"
        if shop.exists():
            _require_unused(shop)


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Yield a file to write, which only its owner can read, and then rename it to ``file``."""
    try:
        with NamedTemporaryFile(dir=file.absolute().parent, prefix=f".{file.name}.", delete=False) as made:
            unfinished = Path(made.name)
    except OSError as error:
        # The name of the temporary file would not help the reader.
        raise OSError(error.errno, error.strerror, str(file)) from None
    try:
        yield unfinished
        _sync(unfinished)
        unfinished.replace(file)
        _sync(file.absolute().parent)
    finally:
        for path in _own_files(unfinished):
            path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _path(url: str) -> Path:
    return Path(make_url(url).database or "")


def _own_files(shop: Path) -> list[Path]:
    return [shop.absolute().with_name(shop.name + suffix) for suffix in SIDE_FILES]


def _require_backup(file: Path, url: str) -> None:
    """Raise ``BackupError`` if ``file`` is clearly not a backup of the kind of database at ``url``."""
    if not file.is_file():
        raise BackupError(f"There is no file {file}")
    with file.open("rb") as content:
        beginning = content.read(len(_SQLITE))
    if not beginning:
        raise BackupError(f"{file} is empty. There is no shop in it")
    if is_postgresql(url):
        if beginning == _SQLITE:
            raise BackupError(f"{file} is of SQLite. Restore it into a file, then move it with: {_MOVE}")
    elif beginning.startswith(_POSTGRESQL):
        raise BackupError(f"{file} is of PostgreSQL. Restore it there, then move it with: {_MOVE}")
    elif beginning != _SQLITE:
        # SQLite itself opens a file of one byte as a new database.
        raise BackupError(f"{file} cannot be read as a SQLite database: file is not a database")


def _require_tables(found: Collection[str], source: Path | str) -> None:
    if missing := [name for name in (VERSION, *SHOP_TABLES) if name not in found]:
        raise BackupError(f"There is no shop in {source}: it has no table {missing[0]}")


def _require_version(counts: Counts, source: Path | str) -> Counts:
    """Return the counts of a shop's tables. Without a version, no migration could start from it."""
    if not counts[VERSION]:
        raise BackupError(f"There is no shop in {source}: its table {VERSION} is empty")
    return {name: counts[name] for name in SHOP_TABLES}


def _copy(source: Path, target: Path) -> Counts:
    """Copy a shop, which may be written meanwhile. Check the copy, and return the counts of its rows."""
    try:
        # A read-only connection would leave behind the -wal and -shm files that it needs.
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            # In one step, so that the copy is one state. Writers do not wait.
            original.backup(copy)
            # A single file without a write-ahead log.
            copy.execute("PRAGMA journal_mode=DELETE")
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise BackupError(f"{source} is damaged: {found.splitlines()[-1]}")
            names = copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            _require_tables({name for (name,) in names}, source)
            counts = {
                name: copy.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608  # names of ours
                for name in (VERSION, *SHOP_TABLES)
            }
            return _require_version(counts, source)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in _NOT_WRITTEN:
            folder = target.absolute().parent
            raise BackupError(f"The copy cannot be written: {error}. Is there room in {folder}?") from None
        raise BackupError(f"{source} cannot be read as a SQLite database: {error}") from None


def _require_unused(shop: Path) -> None:
    # SQLite removes the write-ahead log only for the last connection of a database.
    with closing(sqlite3.connect(shop)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            raise BackupError(f"The shop at {shop} is in use. Stop its server first") from None
        except sqlite3.DatabaseError:
            pass  # the file is no database, so no process uses it


def _restore_to_server(file: Path, url: str) -> None:
    with connect(url) as connection:
        tables = inspect(connection).get_table_names()
    if tables:
        raise BackupError(f"The database is not empty: it has a table {tables[0]}")
    # Checked before the first write, so that the database stays empty after an error.
    _counted_archive(file, file)
    _run("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges",
         "--no-comments", str(file), "--dbname", url=url)  # fmt: skip


def _counted_archive(archive: Path, source: Path | str) -> Counts:
    """Read a whole archive of ``pg_dump``, as a restore would, and return the counts of its rows."""
    counts, current = dict[str, int](), ""
    with TemporaryFile() as complaints:
        command = [_program("pg_restore"), "--file=-", str(archive)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as running:  # noqa: S603
            for line in running.stdout or ():
                if current and line == b"\\.\n":
                    current = ""
                elif current:
                    counts[current] += 1
                elif found := _COPY.match(line):
                    current = found[1].decode()
                    counts[current] = 0
        if running.returncode:
            complaints.seek(0)
            text = complaints.read().decode(errors="replace").strip()
            raise BackupError((text or "pg_restore failed").splitlines()[0])
    _require_tables(counts, source)
    return _require_version(counts, source)


def _run(program: str, *arguments: str, url: str | None = None) -> None:
    """Run one of PostgreSQL's programs. The last of ``arguments`` may be an option whose value is ``url``."""
    address = [_without_password(for_libpq(url))] if url else []
    command = [_program(program), *arguments, *address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # no shell
    if done.returncode:
        raise BackupError((done.stderr.strip() or f"{program} failed").splitlines()[0])


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise BackupError(f"{name} is needed, but not installed. It is one of PostgreSQL's client programs")
    return found


def _without_password(url: URL) -> str:
    """Return the address without its password for a command line, which other users can read."""
    password = url.password or url.query.get("password")
    if password:
        os.environ["PGPASSWORD"] = str(password)
    return url._replace(password=None).difference_update_query(["password"]).render_as_string()
