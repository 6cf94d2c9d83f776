"""fluent-cart users create, list, set-role, delete."""

from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from fluent_cart.cli import session
from fluent_cart.cli.output import AsJson, CommandError, say, say_json, table
from fluent_cart.policies import ROLE_PERMISSIONS
from fluent_cart.schemas.base import Email
from fluent_cart.services import users

cli = typer.Typer(no_args_is_help=True, help="The users who may sign in.")

Login = Annotated[str, typer.Argument(help="The login name.")]
RoleOption = Annotated[
    str,
    typer.Option("--role", help=f"A role with permissions is one of: {', '.join(ROLE_PERMISSIONS)}."),
]


@cli.command()
def create(
    login: Login,
    email: Annotated[str, typer.Option(help="The e-mail address.")],
    role: RoleOption = "subscriber",
    display_name: Annotated[
        str, typer.Option(help="The name shown, at most 255 characters; the login if not given.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a user. It can sign in once it has an application password.

    Example: fluent-cart users create ada --email ada@example.com --role administrator
    """
    login, role, display_name = login.strip(), checked_role(role), display_name.strip()
    if not login or len(login) > 60 or ":" in login:
        raise CommandError("A login has 1 to 60 characters, none of them a colon")
    if len(display_name) > 255:
        raise CommandError("A display name has at most 255 characters")
    try:
        address = TypeAdapter(Email).validate_python(email)
    except ValidationError:
        raise CommandError("--email must be a valid e-mail address") from None
    user_id = session.write(users.create_user, login, address, display_name or login, role)
    if as_json:
        say_json({"id": user_id, "login": login, "role": role})
    else:
        say(f"User {login} has ID {user_id} and the role {role}.")


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the users.

    Example: fluent-cart users list --json
    """
    found = session.read(users.list_users)
    say_json(found) if as_json else table(found, empty="There are no users.")


@cli.command()
def set_role(login: Login, role: Annotated[str, typer.Argument(help="The new role.")]) -> None:
    """Give a user another role, at once.

    Example: fluent-cart users set-role ada worker
    """
    session.write(users.set_role, login, checked_role(role))
    say(f"User {login} has the role {role}.")


@cli.command()
def delete(login: Login) -> None:
    """Delete a user and its application passwords.

    Example: fluent-cart users delete ada
    """
    session.write(users.delete_user, login)
    say(f"User {login} is deleted.")


def checked_role(role: str) -> str:
    """Return ``role`` if it can be one; roles unknown to the policy are allowed, and may do nothing."""
    if not role.strip() or len(role) > 60:
        raise CommandError("A role has 1 to 60 characters")
    return role.strip()
