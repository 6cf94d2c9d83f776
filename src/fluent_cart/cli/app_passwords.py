"""fluent-cart app-passwords create, list, revoke."""

from typing import Annotated

import typer

from fluent_cart.cli import runner
from fluent_cart.cli.output import AsJson, WrongUsage, print_json, print_result, table
from fluent_cart.schemas.base import MAX_ID
from fluent_cart.security import application_passwords
from fluent_cart.services.application_passwords import (
    MAX_NAME,
    create_application_password,
    list_application_passwords,
    revoke_application_password,
)

cli = typer.Typer(no_args_is_help=True, help="The application passwords with which users sign in.")

Login = Annotated[str, typer.Argument(help="The login name.")]


@cli.command()
def create(
    login: Login,
    name: Annotated[str, typer.Option(help="What the password is for.")] = "API",
    as_json: AsJson = False,
) -> None:
    """Create an application password. It is shown only now, because only its hash is stored.

    Example: fluent-cart app-passwords create ada --name "My script"
    """
    if len(name) > MAX_NAME:
        raise WrongUsage(f"A name has at most {MAX_NAME} characters")
    secret = application_passwords.format_for_display(runner.write(create_application_password, login, name))
    print_result(secret, {"login": login, "name": name, "password": secret}, as_json=as_json)


@cli.command("list")
def list_(login: Login, as_json: AsJson = False) -> None:
    """List a user's application passwords, without their secrets. The last use is stored once a day.

    Example: fluent-cart app-passwords list ada --json
    """
    found = runner.read(list_application_passwords, login)
    if as_json:
        print_json(found)
        return
    rows = [row | {"last_used": row["last_used"] or "never"} for row in found]
    table(rows, empty="There are no application passwords.")


@cli.command()
def revoke(
    password_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, help="The ID from `app-passwords list`.")],
    as_json: AsJson = False,
) -> None:
    """Revoke an application password, at once.

    Example: fluent-cart app-passwords revoke 1
    """
    runner.write(revoke_application_password, password_id)
    print_result(f"Application password {password_id} is revoked.", {"id": password_id}, as_json=as_json)
