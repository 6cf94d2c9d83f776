"""fluent-cart users create, list, set-role, set-password, sign-out, delete."""

import sys
from difflib import get_close_matches
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.cli import runner
from fluent_cart.cli.output import (
    AsJson,
    CommandError,
    WrongUsage,
    print_json,
    print_result,
    print_warning,
    table,
)
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
        str, typer.Option(help="The displayed name, at most 255 characters. The default is the login.")
    ] = "",
    with_password: Annotated[
        bool, typer.Option("--password", help="Prompt for a login password, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a user. It can sign in once it has a login password or an application password.

    Example: fluent-cart users create ada --email ada@example.com --role administrator
    """
    login, role, display_name = checked_login(login), checked_role(role), display_name.strip()
    if len(display_name) > 255:
        raise WrongUsage("A display name has at most 255 characters")
    address = checked_email(email)
    password_hash = read_password() if with_password else None
    user_id = runner.write(users.create_user, login, address, display_name or login, role, password_hash)
    result = {"id": user_id, "login": login, "role": role}
    print_result(f"User {login} has ID {user_id} and the role {role}.", result, as_json=as_json)
    warn_of_role(role)


@cli.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the users.

    Example: fluent-cart users list --json
    """
    found = runner.read(users.list_users)
    print_json(found) if as_json else table(found, empty="There are no users.")


@cli.command()
def set_role(
    login: Login, role: Annotated[str, typer.Argument(help="The new role.")], as_json: AsJson = False
) -> None:
    """Set the role of a user, from the next request on.

    Example: fluent-cart users set-role ada worker
    """
    role = checked_role(role)
    runner.write(users.set_role, login, role)
    print_result(f"User {login} has the role {role}.", {"login": login, "role": role}, as_json=as_json)
    warn_of_role(role)


@cli.command()
def set_password(
    login: Login,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the password from standard input, to its end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set a login password, for signing in with a cookie, and end all sessions of the user.

    Example: fluent-cart users set-password ada
    """
    runner.write(users.set_password, login, read_password(from_stdin=from_stdin))
    print_result(f"User {login} has a new login password.", {"login": login}, as_json=as_json)


@cli.command()
def sign_out(login: Login, as_json: AsJson = False) -> None:
    """End all sessions of a user, at once. Application passwords stay.

    Example: fluent-cart users sign-out ada
    """
    ended = runner.write(users.sign_out, login)
    text = f"User {login} is signed out: {ended} session{'' if ended == 1 else 's'} ended."
    print_result(text, {"login": login, "ended": ended}, as_json=as_json)


@cli.command()
def delete(login: Login, as_json: AsJson = False) -> None:
    """Delete a user, its application passwords and its sessions.

    Example: fluent-cart users delete ada
    """
    runner.write(users.delete_user, login)
    print_result(f"User {login} is deleted.", {"login": login}, as_json=as_json)


def checked_login(login: str) -> str:
    """Return a login without the white space around it, if it is valid."""
    login = login.strip()
    if not login or len(login) > 60 or ":" in login:
        raise WrongUsage("A login has 1 to 60 characters, none of them a colon")
    return login


def checked_email(email: str) -> str:
    """Return an e-mail address in the form in which it is stored."""
    try:
        return TypeAdapter(Email).validate_python(email)
    except ValidationError:
        raise WrongUsage("--email must be a valid e-mail address") from None


def checked_role(role: str) -> str:
    """Return ``role`` if it is valid. A role that the policy does not know has no permission."""
    if not role.strip() or len(role) > 60:
        raise WrongUsage("A role has 1 to 60 characters")
    return role.strip()


def warn_of_role(role: str) -> None:
    """Print a warning if a role has no permission, with the role that may have been meant."""
    if role not in ROLE_PERMISSIONS:
        shortened = [name for name in ROLE_PERMISSIONS if name.startswith(role.lower())]
        nearest = shortened or get_close_matches(role.lower(), ROLE_PERMISSIONS, 1)
        hint = (
            f"Did you mean {nearest[0]}?" if nearest else f"These roles have: {', '.join(ROLE_PERMISSIONS)}"
        )
        print_warning(f"The role {role} has no permission here, so every request of the user is 403. {hint}")


def read_password(*, from_stdin: bool = False) -> str:
    """Return the hash of a login password that is typed twice, or read from standard input."""
    # passlib is a thirtieth of a command's start, and only these commands hash.
    from fluent_cart.security import login_passwords

    if from_stdin:
        password = typer.get_text_stream("stdin").read()
    elif not sys.stdin.isatty():
        raise CommandError("Standard input is not a terminal. Use --stdin")
    else:
        password = typer.prompt("Login password", hide_input=True, confirmation_prompt=True)
    if objection := login_passwords.objection(password):
        raise CommandError(objection)
    return login_passwords.hash_password(password)
