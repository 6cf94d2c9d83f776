"""Which migration the database is at, and how it gets to the newest one."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

import fluent_cart
from fluent_cart.database import connect


def _scripts() -> Path:
    """Return the folder of migrations: inside an installed wheel, or at the top of a checkout."""
    package = Path(fluent_cart.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    return config


class MigrationError(Exception):
    """A migration cannot be found; the text names it."""


@cache
def newest() -> str:
    """Return the revision this version of the server works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head, "the package has no migrations"  # noqa: S101  # an installation without them cannot work
    return head


def current(connection: Connection) -> str | None:
    """Return the revision the database is at, None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def is_newest(connection: Connection) -> bool:
    """Tell whether the database fits this version of the server."""
    return current(connection) == newest()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision, in one transaction."""
    with connect(url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise MigrationError(f"{error}: is it from a later version?") from error


def downgrade(url: str, revision: str) -> None:
    """Take the database back to an older revision, in one transaction."""
    with connect(url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
