"""Print the errors of a command: each error that a person can correct is one clear line."""

import re
import sqlite3

from sqlalchemy.exc import SQLAlchemyError

from fluent_cart.cli import runner
from fluent_cart.cli.output import CommandError, WrongUsage, print_error
from fluent_cart.database import UnsupportedDatabase, describe
from fluent_cart.database.backup_contents import BackupError
from fluent_cart.database.constraints import ConstraintViolation
from fluent_cart.database.migrations import MigrationError
from fluent_cart.database.transfer import CopyError
from fluent_cart.errors import ApiError
from fluent_cart.formats.input_file import InputFileError
from fluent_cart.formats.row_reader import FileError
from fluent_cart.importers.wordpress.shop import SourceError
from fluent_cart.services.users import UserError

EXPLAINED = (
    CommandError,
    UserError,
    UnsupportedDatabase,
    MigrationError,
    CopyError,
    BackupError,
    SourceError,
    FileError,
    InputFileError,
    ConstraintViolation,
    ApiError,
)
# The messages of SQLite, PostgreSQL and the system about a full disk or quota.
NO_ROOM = re.compile(r"disk is full|No space left on device|[Ff]ile too large|[Qq]uota exceeded")


def exit_code(error: Exception) -> int:
    """Print why a command failed, and return its exit code. Raise unexpected errors."""
    if isinstance(error, EXPLAINED):
        print_error(_explained(error))
    elif isinstance(error, UnicodeError):
        print_error("An argument, or the .env file, is not valid UTF-8")
    elif isinstance(error, SQLAlchemyError):
        # The first line names the error. The rest is for the author of the statement.
        shop = describe(runner.read_settings().database_url)
        print_error(f"{shop}: {runner.reason_of(error)}. Look at it with: fluent-cart doctor")
    elif isinstance(error, sqlite3.OperationalError) and NO_ROOM.search(str(error)):
        # An import sorts its source in a temporary database.
        print_error("There is no room in the temporary folder: make room, or name another with TMPDIR")
    elif isinstance(error, OSError):
        print_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    else:
        raise error
    return 2 if isinstance(error, WrongUsage) else 1


def _explained(error: Exception) -> str:
    """Return the reason of a failure in one line. The database's text has more detail than "try again"."""
    cause = str(getattr(error.__cause__, "orig", None) or "").partition("\n")[0]
    if NO_ROOM.search(cause):
        return f"There is no room on the disk of the database ({cause}): make room, and run the command again"
    return f"{error}: {cause}" if cause else str(error)
