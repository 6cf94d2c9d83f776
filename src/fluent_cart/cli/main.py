"""The command line, ``fluent-cart``.

An error is one clear line and a non-zero exit code, never a traceback.
"""

import sys
from typing import Annotated, Any

import typer

from fluent_cart import __version__
from fluent_cart.cli.lazy_command import LazyCommand
from fluent_cart.cli.output import print_line, print_warning

# The groups of the help.
RUN, PEOPLE, CUSTOMERS = "Run", "Users", "Customers"
DATA, CARE = "Data in and out", "Care of the database"
# In the order of the help. A summary is the first sentence of the command's own help.
COMMANDS = (
    LazyCommand(
        "init:init",
        RUN,
        "Create a shop, its first administrator and an application password, which is shown only now.",
    ),
    LazyCommand("serve:serve", RUN, "Serve the API. The database must be at the newest migration."),
    LazyCommand(
        "doctor:doctor",
        RUN,
        "Check settings, database, disk, durability and users. Exit with 1 on a failure.",
    ),
    LazyCommand("users:cli", PEOPLE, "The users who may sign in."),
    LazyCommand("app_passwords:cli", PEOPLE, "The application passwords with which users sign in."),
    LazyCommand(
        "duplicates:duplicates",
        CUSTOMERS,
        "List groups of customers who may be the same person: same mailbox, phone, or name and postcode.",
    ),
    LazyCommand(
        "duplicates:merge",
        CUSTOMERS,
        "Merge two customers. The first gets the data of the second, and the second is removed.",
    ),
    LazyCommand("imports:cli", DATA, "Import a shop, or rows, from elsewhere.", name="import"),
    LazyCommand(
        "export:export",
        DATA,
        "Write the customers of a list, or all orders, into a file. The file has one state of the shop.",
    ),
    LazyCommand(
        "privacy:personal_data",
        DATA,
        "Write everything that the shop holds about a customer into a file of JSON.",
    ),
    LazyCommand(
        "privacy:erase",
        DATA,
        "Remove everything that identifies customers, for good. Their orders and totals stay.",
    ),
    LazyCommand("copy:copy", DATA, "Copy a whole shop into another, empty database, and check it there."),
    LazyCommand(
        "database:migrate",
        CARE,
        "Migrate the database to the newest migration. Create it if it does not exist.",
    ),
    LazyCommand("backup:backup", CARE, "Write the whole shop into a file, while it is served."),
    LazyCommand(
        "backup:restore",
        CARE,
        "Restore the shop from a backup, upgrade it to the newest migration, and check it.",
    ),
    LazyCommand("database:check", CARE, "Check every rule that must hold in a shop."),
    LazyCommand(
        "database:purge_changes",
        CARE,
        "Delete old changes of customers, which clients that sync do not need any more.",
    ),
    LazyCommand("database:recalculate", CARE, "Compute the totals of all customers from their orders."),
)

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    """The FluentCart Customers API: serve it, and maintain its database."""
    from fluent_cart.settings import unknown_settings

    for name, nearest in unknown_settings().items():
        print_warning(f"{name} is not a setting. {f'Did you mean {nearest}?' if nearest else 'Remove it.'}")


def main() -> None:
    """Run the command line."""
    group: Any = typer.main.get_command(cli)
    for command in COMMANDS:
        group.add_command(command)
    try:
        group()
    except Exception as error:
        # Imported here, because --version and --help do not need these packages, which know the possible
        # errors.
        from fluent_cart.cli.failures import exit_code

        sys.exit(exit_code(error))
