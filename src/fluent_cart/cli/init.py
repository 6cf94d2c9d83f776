"""fluent-cart init."""

import shlex
import sys
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Connection

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, CommandError, WrongUsage, print_json, print_line
from fluent_cart.cli.progress import ProgressBar
from fluent_cart.cli.users import checked_email, checked_login
from fluent_cart.database import describe, migrations
from fluent_cart.security import application_passwords
from fluent_cart.services import users
from fluent_cart.services.application_passwords import create_application_password
from fluent_cart.settings import Settings

ROLE, PASSWORD_NAME = "administrator", "Made by fluent-cart init"
# Addresses to listen on. A client connects to this machine.
ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # nothing listens here


class Administrator(NamedTuple):
    login: str
    email: str


def init(
    login: Annotated[str, typer.Option(help="The administrator's login name.")] = "",
    email: Annotated[str, typer.Option(help="The administrator's e-mail address.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create a shop, its first administrator and an application password, which is shown only now.

    At a terminal it prompts for missing values.

    Example: fluent-cart init --login ada --email ada@example.com
    """
    settings = runner.read_settings()
    require_no_users(settings)
    administrator = ask(login, email)
    secret = make_shop(settings, administrator)
    address = address_of(settings.host, settings.port)
    if as_json:
        database = describe(settings.database_url)
        print_json(
            {"database": database, "login": administrator.login, "password": secret, "address": address}
        )
    else:
        print_shop(settings, administrator, secret, address)
        print_line("\nServe the shop with: fluent-cart serve")


def require_no_users(settings: Settings) -> None:
    """Raise ``CommandError`` if the shop has users already, or is at an older migration."""
    if not runner.is_missing(settings) and runner.read(users.list_users):
        raise CommandError(
            f"The shop {describe(settings.database_url)} has users already. Create another one with: "
            "fluent-cart users create"
        )


def ask(login: str = "", email: str = "") -> Administrator:
    """Return the first administrator, from the options or from a person at the terminal."""
    if not (login and email) and not sys.stdin.isatty():
        raise WrongUsage("Standard input is not a terminal. Use --login and --email")
    return Administrator(
        checked_login(login or typer.prompt("Login of the first administrator")),
        checked_email(email or typer.prompt("E-mail address")),
    )


def make_shop(settings: Settings, administrator: Administrator) -> str:
    """Create the database and the administrator. Return the application password."""

    def make(connection: Connection) -> str:
        login, email = administrator
        users.create_user(connection, login, email, login, ROLE)
        return create_application_password(connection, login, PASSWORD_NAME)

    with ProgressBar() as bar:
        bar.show("make the shop")
        migrations.upgrade(settings.database_url)
    return application_passwords.format_for_display(runner.write(make))


def print_shop(settings: Settings, administrator: Administrator, secret: str, address: str) -> None:
    """Print the address of the shop, the password and a request to try."""
    login = administrator.login
    credentials = shlex.quote(f"{login}:{application_passwords.normalize(secret)}")
    print_line(f"The shop is {describe(settings.database_url)}.")
    print_line(
        f"The administrator {login} has this application password. It is shown only now:\n\n    {secret}\n"
    )
    print_line(f"Docs: {address}/docs")
    print_line(f"Try:  curl -u {credentials} {address}/wp-json/fluent-cart/v2/customers")


def address_of(host: str, port: int) -> str:
    """Return the address at which a client on this machine reaches the server."""
    name = ANY.get(host) or (f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"
