"""The command line, ``fluent-cart``: an error is one clear line and a non-zero exit, never a traceback."""

import sys

import typer
from sqlalchemy.exc import SQLAlchemyError

from fluent_cart.cli import (
    app_passwords,
    backup,
    copy,
    database,
    doctor,
    export,
    imports,
    output,
    serve,
    users,
)
from fluent_cart.cli.output import CommandError, print_error
from fluent_cart.database import UnsupportedDatabase
from fluent_cart.database.backup import BackupError
from fluent_cart.database.constraints import ConstraintViolation
from fluent_cart.database.migrations import MigrationError
from fluent_cart.database.transfer import CopyError
from fluent_cart.errors import ApiError
from fluent_cart.formats.row_reader import FileError
from fluent_cart.importers.wordpress.shop import SourceError
from fluent_cart.services.users import UserError

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The FluentCart Customers API: serve it, and look after its database.",
)
cli.callback()(output.options)
cli.command()(serve.serve)
cli.command()(database.migrate)
cli.command()(database.recalculate)
cli.command()(database.check)
cli.command()(doctor.doctor)
cli.command()(copy.copy)
cli.command()(backup.backup)
cli.command()(backup.restore)
cli.command()(export.export)
cli.add_typer(users.cli, name="users")
cli.add_typer(app_passwords.cli, name="app-passwords")
cli.add_typer(imports.cli, name="import")


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except (
        CommandError,
        UserError,
        UnsupportedDatabase,
        MigrationError,
        CopyError,
        BackupError,
        SourceError,
        FileError,
        ConstraintViolation,
        ApiError,
    ) as error:
        # The database's own words say more than "try again", such as that the disk is full.
        cause = getattr(error.__cause__, "orig", None)
        print_error(f"{error}: {str(cause).splitlines()[0]}" if cause and str(cause) else str(error))
        sys.exit(1)
    except UnicodeError:
        print_error("An argument, or the .env file, is not valid UTF-8")
        sys.exit(1)
    except (SQLAlchemyError, OSError) as error:
        # The first line says what is wrong; the rest is for those who wrote the statement.
        print_error((str(getattr(error, "orig", None) or error) or type(error).__name__).splitlines()[0])
        sys.exit(1)
