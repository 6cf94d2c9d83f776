"""Write and restore archives of PostgreSQL, with its own programs ``pg_dump`` and ``pg_restore``."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy import URL, inspect

from fluent_cart.database import connect, describe
from fluent_cart.database.backup_contents import BackupError, Counts, require_tables, require_version
from fluent_cart.database.postgresql_address import for_libpq

_COPY = re.compile(rb'COPY (?:\w+\.)?"?(\w+)"? \(.*\) FROM stdin;')


def dump(url: str, archive: Path) -> Counts:
    """Write the shop at ``url`` into an archive, and return the counts of its rows."""
    _run("pg_dump", "--format=custom", f"--file={archive}", "--dbname", url=url)
    return _count_rows(archive, describe(url))


def restore(archive: Path, url: str) -> None:
    """Restore the shop in an archive into an empty database."""
    with connect(url) as connection:
        tables = inspect(connection).get_table_names()
    if tables:
        raise BackupError(f"The database is not empty: it has a table {tables[0]}")
    # Checked before the first write, so that the database stays empty after an error.
    _count_rows(archive, archive)
    _run("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges",
         "--no-comments", str(archive), "--dbname", url=url)  # fmt: skip


def _count_rows(archive: Path, source: Path | str) -> Counts:
    """Read a whole archive of ``pg_dump``, as a restore would, and return the counts of its rows."""
    counts, current = dict[str, int](), ""
    with TemporaryFile() as errors:
        command = [_program("pg_restore"), "--file=-", str(archive)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as running:  # noqa: S603
            for line in running.stdout or ():
                if current and line == b"\\.\n":
                    current = ""
                elif current:
                    counts[current] += 1
                elif found := _COPY.match(line):
                    current = found[1].decode()
                    counts[current] = 0
        if running.returncode:
            errors.seek(0)
            text = errors.read().decode(errors="replace").strip()
            raise BackupError((text or "pg_restore failed").splitlines()[0])
    require_tables(counts, source)
    return require_version(counts, source)


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
