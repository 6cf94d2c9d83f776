"""The site's users: their accounts, roles and passwords."""

from typing import NamedTuple

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from fluent_cart.clock import now
from fluent_cart.database.prepared import Record
from fluent_cart.models import Session, User
from fluent_cart.services.folding import email_key
from fluent_cart.services.pages import Page
from fluent_cart.services.search import SearchTarget, matches, search_text


class CurrentUser(NamedTuple):
    """The user that a request comes from."""

    id: int
    login: str
    role: str


class UserError(Exception):
    """An account cannot be created or found. The text is for the command line."""


SEARCHED = SearchTarget(User.search_text.expression, User.id.expression)
_all_users = select(User.id, User.login, User.email, User.display_name, User.role).order_by(User.id)
is_named = or_(User.login_key == bindparam("name"), User.email_key == bindparam("name"))


def key(name: str) -> str:
    """Return the form in which logins and e-mail addresses are compared."""
    return email_key(name.strip())


def create_user(
    connection: Connection,
    login: str,
    email: str,
    display_name: str,
    role: str,
    password_hash: str | None = None,
) -> int:
    """Store a new user and return its id. Raise ``UserError`` if the login or e-mail address is taken."""
    taken = connection.scalar(
        select(User.id).where(
            or_(User.login_key.in_([key(login), key(email)]), User.email_key.in_([key(login), key(email)]))
        )
    )
    if taken is not None:
        raise UserError("A user with this login or e-mail address exists already")
    inserted = connection.execute(
        insert(User).returning(User.id),
        {
            "login": login,
            "login_key": key(login),
            "email": email,
            "email_key": key(email),
            "display_name": display_name,
            "role": role,
            "password_hash": password_hash,
            "search_text": search_text(login, email, display_name),
            "created_at": now(),
        },
    )
    return int(inserted.scalar_one())


def list_users(connection: Connection) -> list[Record]:
    """Return every user, oldest first."""
    return [dict(row) for row in connection.execute(_all_users).mappings()]


def find_users(connection: Connection, search: str, page: int, per_page: int) -> Page:
    """Return a page of the users, or of those that match a search, oldest first, and their number."""
    condition = matches(search, SEARCHED, connection.dialect.name) if search else true()
    some = _all_users.where(condition).limit(per_page).offset((page - 1) * per_page)
    total = connection.scalar(select(func.count()).select_from(User).where(condition)) or 0
    return Page([dict(row) for row in connection.execute(some).mappings()], total)


def set_role(connection: Connection, login: str, role: str) -> None:
    """Store another role of a user. It counts from the next request on."""
    connection.execute(update(User).where(User.id == user_id_of(connection, login)).values(role=role))


def set_password(connection: Connection, login: str, password_hash: str) -> None:
    """Store another login password of a user, and end the sessions of the old password."""
    user_id = user_id_of(connection, login)
    connection.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
    sign_out(connection, login)


def sign_out(connection: Connection, login: str) -> int:
    """End all sessions of a user, at once and in every process. Return how many were ended."""
    return connection.execute(
        delete(Session).where(Session.user_id == user_id_of(connection, login))
    ).rowcount


def delete_user(connection: Connection, login: str) -> None:
    """Delete a user with its application passwords and sessions. The customer of the user stays, detached."""
    connection.execute(delete(User).where(User.id == user_id_of(connection, login)))


def user_id_of(connection: Connection, login: str) -> int:
    """Return the id of a user. Raise ``UserError`` if there is none."""
    user_id = connection.scalar(select(User.id).where(User.login_key == key(login)))
    if user_id is None:
        raise UserError(f"There is no user {login!r}")
    return user_id
