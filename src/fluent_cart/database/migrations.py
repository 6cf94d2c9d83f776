"""Find the migration of a database, and upgrade it to the newest one.

Alembic is imported only for migrations, because with its template engine it takes a tenth of the start.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, String, column, inspect, select, table

import fluent_cart
from fluent_cart.database import connect
from fluent_cart.database.prepared import LookupConnection, Prepared

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION = table("alembic_version", column("version_num", String))


_stored_version = Prepared(select(_VERSION.c.version_num))


def _scripts() -> Path:
    """Return the folder of migrations: inside an installed wheel, or at the top of a checkout."""
    package = Path(fluent_cart.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    return config


class MigrationError(Exception):
    """A migration cannot be found. The text names it."""


@cache
def newest() -> str:
    """Return the newest revision, which this version of the server needs."""
    # The names of files are their date and revision, so the last name is the newest.
    return max(path.stem.split("_")[3] for path in (_scripts() / "versions").glob("*_*.py"))


def current(connection: Connection) -> str | None:
    """Return the revision of the database, or None if it is empty."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.scalar(select(_VERSION.c.version_num))


def is_newest(connection: Connection) -> bool:
    """Return whether the database fits this version of the server."""
    return current(connection) == newest()


def is_served_by_this_version(connection: LookupConnection) -> bool:
    """Return the same for a database that has a migration, by a look-up."""
    return _stored_version.rows(connection) == [(newest(),)]


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database to a revision, in one transaction."""
    from alembic import command
    from alembic.util import CommandError

    with connect(url) as connection:
        if current(connection) is None and inspect(connection).has_table("users"):
            raise MigrationError(
                f"The database has a table users, but no migration in {_VERSION.name}. It belongs to "
                "another program, or is a damaged shop. Restore a backup, or name a new database"
            )
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            is_unknown = "locate revision" in str(error)
            raise MigrationError(
                f"{error}. Is it from a later version?" if is_unknown else str(error)
            ) from error


def downgrade(url: str, revision: str) -> None:
    """Downgrade the database to an older revision, in one transaction."""
    from alembic import command

    with connect(url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
