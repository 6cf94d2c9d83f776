"""Write a whole shop into one file while it is served, and restore a shop from such a file.

SQLite's backup is a database file, PostgreSQL's the custom format of ``pg_dump``. Either is written next to
its final place, checked, and renamed only then, so that the file in its place is always complete.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import make_url

from fluent_cart.database import is_postgresql, postgresql_archive
from fluent_cart.database.backup_contents import (
    SHOP_TABLES,
    VERSION,
    BackupError,
    Counts,
    require_tables,
    require_version,
)
from fluent_cart.formats.atomic_file import atomic_write

SIDE_FILES = ("-wal", "-shm", "-journal", ".lock")
_MOVE = "fluent-cart copy"
_SQLITE, _POSTGRESQL = b"SQLite format 3\0", b"PGDMP"
# A full disk or quota is an error of the copy, not of the source.
_NOT_WRITTEN = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)


def create_backup(url: str, file: Path) -> Counts:
    """Write the shop at ``url`` into ``file`` and replace an older backup.

    The copy is one state, and durable.

    Return the counts of the rows in the file.
    """
    require_foreign(file, url)
    with _new_file(file) as unfinished:
        if is_postgresql(url):
            return postgresql_archive.dump(url, unfinished)
        return _copy(_path(url), unfinished)


def require_foreign(file: Path, url: str) -> None:
    """Raise ``BackupError`` if ``file`` is the shop itself, or one of the files next to it."""
    if is_postgresql(url):
        return
    shop = _path(url)
    # SQLite keeps its own files next to the target of a link.
    for own in (shop, *_side_files(shop), *_side_files(shop.resolve())):
        if file.resolve() == own.resolve() or (file.exists() and own.exists() and file.samefile(own)):
            raise BackupError(f"{file} belongs to the shop itself. Choose another file")


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
        postgresql_archive.restore(file, url)
        yield url
        return
    shop = _path(url)
    if shop.exists() and not replace:
        raise BackupError(f"There is a shop at {shop}. Replace it with --force, or restore elsewhere")
    with _new_file(shop) as unfinished:
        _copy(file, unfinished)
        yield f"sqlite:///{unfinished}"
        if shop.exists():
            _require_unused(shop)


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """Yield a file for a copy of a shop, which then replaces ``file``, without SQLite's files next to it."""
    with atomic_write(file) as unfinished:
        try:
            yield unfinished
        finally:
            for path in _side_files(unfinished):
                path.unlink(missing_ok=True)


def _path(url: str) -> Path:
    return Path(make_url(url).database or "")


def _side_files(shop: Path) -> list[Path]:
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
            require_tables({name for (name,) in names}, source)
            counts = {
                name: copy.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608  # names of ours
                for name in (VERSION, *SHOP_TABLES)
            }
            return require_version(counts, source)
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
            pass  # the file is not a database, so no process uses it
