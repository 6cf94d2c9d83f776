"""The command line, ``fluent-cart``: an error is one clear line and a non-zero exit, never a traceback."""

import sys
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from fluent_cart import __version__
from fluent_cart.cli import (
    app_passwords,
    backup,
    copy,
    database,
    doctor,
    export,
    imports,
    init,
    runner,
    serve,
    users,
)
from fluent_cart.cli.output import CommandError, WrongUsage, print_error, print_line, print_warning
from fluent_cart.database import UnsupportedDatabase, describe
from fluent_cart.database.backup import BackupError
from fluent_cart.database.constraints import ConstraintViolation
from fluent_cart.database.migrations import MigrationError
from fluent_cart.database.transfer import CopyError
from fluent_cart.errors import ApiError
from fluent_cart.formats.input_file import InputFileError
from fluent_cart.formats.row_reader import FileError
from fluent_cart.importers.wordpress.shop import SourceError
from fluent_cart.services.users import UserError
from fluent_cart.settings import unknown_settings

# The groups of the help.
RUN, PEOPLE, DATA, CARE = "Run", "Users", "Data in and out", "Care of the database"

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command(rich_help_panel=RUN)(init.init)
cli.command(rich_help_panel=RUN)(serve.serve)
cli.command(rich_help_panel=RUN)(doctor.doctor)
cli.add_typer(users.cli, name="users", rich_help_panel=PEOPLE)
cli.add_typer(app_passwords.cli, name="app-passwords", rich_help_panel=PEOPLE)
cli.add_typer(imports.cli, name="import", rich_help_panel=DATA)
cli.command(rich_help_panel=DATA)(export.export)
cli.command(rich_help_panel=DATA)(copy.copy)
cli.command(rich_help_panel=CARE)(database.migrate)
cli.command(rich_help_panel=CARE)(backup.backup)
cli.command(rich_help_panel=CARE)(backup.restore)
cli.command(rich_help_panel=CARE)(database.check)
cli.command(rich_help_panel=CARE)(database.recalculate)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"fluent-cart {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The FluentCart Customers API: serve it, and look after its database."""
    for name, nearest in unknown_settings().items():
        print_warning(f"{name} is not a setting. {f'Did you mean {nearest}?' if nearest else 'Remove it.'}")


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except WrongUsage as error:
        print_error(str(error))
        sys.exit(2)
    except (
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
    ) as error:
        # The database's own words say more than "try again", such as that the disk is full.
        cause = getattr(error.__cause__, "orig", None)
        print_error(f"{error}: {str(cause).splitlines()[0]}" if cause and str(cause) else str(error))
        sys.exit(1)
    except UnicodeError:
        print_error("An argument, or the .env file, is not valid UTF-8")
        sys.exit(1)
    except SQLAlchemyError as error:
        # The first line says what is wrong; the rest is for those who wrote the statement.
        reason = runner.reason_of(error)
        print_error(
            f"{describe(runner.read_settings().database_url)}: {reason}. Look at it with: fluent-cart doctor"
        )
        sys.exit(1)
    except OSError as error:
        print_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(1)
