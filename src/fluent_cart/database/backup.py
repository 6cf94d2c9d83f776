"""A whole shop in one file, made while it is served, and a shop made of such a file.

SQLite's backup is a database file, PostgreSQL's the custom format of ``pg_dump``. Either is written beside
its place, checked, and only then put there: what is in place is whole, whatever happens.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from sqlalchemy import URL, inspect, make_url

from fluent_cart.database import connect, is_on_server

SIDE_FILES = ("", "-wal", "-shm", ".lock")


class BackupError(Exception):
    """The shop cannot be backed up or restored; the text says why."""


def back_up(url: str, file: Path) -> None:
    """Write the shop at ``url`` into ``file``, in place of an older backup: one state, and durable."""
    with written_beside(file) as unfinished:
        if is_on_server(url):
            _run("pg_dump", "--format=custom", f"--file={unfinished}", "--dbname", url=url)
            # Reads all of it, as a restoration would.
            _run("pg_restore", f"--file={os.devnull}", str(unfinished))
        else:
            shop = _path(url)
            if file.absolute() in _own_files(shop):
                raise BackupError(f"{file} belongs to the shop itself: choose another file")
            _copy(shop, unfinished)


@contextmanager
def restored(file: Path, url: str, *, replace: bool = False) -> Iterator[str]:
    """Give the address of the shop in ``file`` to migrate and check it there; then ``url`` is that shop.

    A shop at ``url`` is an error unless it is to be replaced, which nothing that uses it may see.
    """
    if not file.is_file():
        raise BackupError(f"There is no file {file}")
    if is_on_server(url):
        if replace:
            raise BackupError("On PostgreSQL no shop is replaced: restore into a new, empty database")
        _restore_to_server(file, url)
        yield url
        return
    shop = _path(url)
    if shop.exists() and not replace:
        raise BackupError(f"There is a shop at {shop}: replace it with --force, or restore elsewhere")
    with written_beside(shop) as unfinished:
        _copy(file, unfinished)
        yield f"sqlite:///{unfinished}"
        if shop.exists():
            _require_unused(shop)


@contextmanager
def written_beside(file: Path) -> Iterator[Path]:
    """Give a file to write, which only its owner can read, and then put it in the place of ``file``."""
    with NamedTemporaryFile(dir=file.absolute().parent, prefix=f".{file.name}.", delete=False) as made:
        unfinished = Path(made.name)
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


def _copy(source: Path, target: Path) -> None:
    """Copy a database, which may be written meanwhile, and check the copy."""
    try:
        # Not read-only, which would leave the files beside it that every reader of a log needs.
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            # In one step, and so of one state; those who write do not wait.
            original.backup(copy)
            # One file, without a log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise BackupError(f"{source} is damaged: {found.splitlines()[-1]}")
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{source} cannot be read as a SQLite database: {error}") from None


def _require_unused(shop: Path) -> None:
    # Only the one who is alone with a database can take its write-ahead log away.
    with closing(sqlite3.connect(shop)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            raise BackupError(f"The shop at {shop} is in use: stop its server first") from None
        except sqlite3.DatabaseError:
            pass  # It is not even a database, so nobody uses it.


def _restore_to_server(file: Path, url: str) -> None:
    with connect(url) as connection:
        tables = inspect(connection).get_table_names()
    if tables:
        raise BackupError(f"The database is not empty: it has a table {tables[0]}")
    _run("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges",
         "--no-comments", str(file), "--dbname", url=url)  # fmt: skip


def _run(program: str, *arguments: str, url: str | None = None) -> None:
    """Run one of PostgreSQL's programs; the last of ``arguments`` may be an option whose value is ``url``."""
    found = shutil.which(program)
    if not found:
        raise BackupError(
            f"{program} is needed, but not installed: it is one of PostgreSQL's client programs"
        )
    address = [_without_password(make_url(url))] if url else []
    done = subprocess.run([found, *arguments, *address], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BackupError((done.stderr.strip() or f"{program} failed").splitlines()[0])


def _without_password(url: URL) -> str:
    """Return the address for a command line, which everybody on this machine can read."""
    password = url.password or url.query.get("password")
    if password:
        os.environ["PGPASSWORD"] = str(password)
    return url._replace(password=None).difference_update_query(["password"]).render_as_string()
