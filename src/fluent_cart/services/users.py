"""The site's users: their accounts, roles and passwords."""

from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from fluent_cart.clock import now
from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.models import ApplicationPassword, Session, User
from fluent_cart.security import application_passwords
from fluent_cart.services.search import search_text


class CurrentUser(NamedTuple):
    """Who a request comes from."""

    id: int
    login: str
    role: str


class AuthenticatedPassword(NamedTuple):
    """A right application password: whose it is, and when it was used before."""

    user: CurrentUser
    password_id: int
    last_used: str | None


class UserError(Exception):
    """An account cannot be made or found; the text is for the person at the command line."""


# No account has more of WordPress's old passwords tried: each costs milliseconds.
MAX_LEGACY = 5

is_named = or_(User.login_key == bindparam("name"), User.email_key == bindparam("name"))
_by_password = Prepared(
    select(User.id, User.login, User.role, ApplicationPassword.id, ApplicationPassword.last_used)
    .join(ApplicationPassword, ApplicationPassword.user_id == User.id)
    # Written so that no index finds the name: it is looked at once the password is found, and a wrong
    # password costs the same for every name.
    .where(
        ApplicationPassword.password_hash == bindparam("digest"),
        bindparam("name").in_([User.login_key, User.email_key]),
    )
)


def _begins(prefix: str) -> ColumnElement[bool]:
    # A range, not LIKE, which SQLite answers by looking at all of them.
    hash_ = ApplicationPassword.password_hash
    return and_(hash_ >= prefix, hash_ < prefix[:-1] + chr(ord(prefix[-1]) + 1))


_is_legacy = or_(*map(_begins, application_passwords.LEGACY_PREFIXES))
_legacy = Prepared(
    select(ApplicationPassword.id, ApplicationPassword.password_hash)
    .join(User)
    .where(is_named, _is_legacy)
    .order_by(ApplicationPassword.id)
    .limit(MAX_LEGACY)
)
# Hashes that begin alike take as long to check.
_beginning = case(
    *(
        (_begins(prefix), func.substr(ApplicationPassword.password_hash, 1, length))
        for prefix, length in application_passwords.LEGACY_PREFIXES.items()
    )
).label("beginning")
_of_one_user = (
    select(_beginning, func.count().label("number"))
    .where(_is_legacy)
    .group_by(ApplicationPassword.user_id, _beginning)
    .subquery()
)
_most_legacy = Prepared(
    select(_of_one_user.c.beginning, func.max(_of_one_user.c.number))
    .group_by(_of_one_user.c.beginning)
    .order_by(_of_one_user.c.beginning)
)


def find_by_application_password(
    connection: LookupConnection, name: str, digest: str
) -> AuthenticatedPassword | None:
    """Return the user called ``name`` (login or e-mail) who owns the password; one look-up by its hash."""
    rows = _by_password.rows(connection, name=key(name), digest=digest)
    if not rows:
        return None
    user_id, login, role, password_id, last_used = rows[0]
    return AuthenticatedPassword(CurrentUser(user_id, login, role), password_id, last_used)


def legacy_hashes(connection: LookupConnection, name: str) -> list[tuple[int, str]]:
    """Return the slow hashes to try for ``name``, at most five of its own.

    Dummies (with the id 0) make them as many of each cost as any account of the site has, so that a wrong
    password costs the same for every name.
    """
    most = _most_legacy.rows(connection)
    if not most:
        # Not even a look at the name, which takes longer for one that is known.
        return []
    own = [
        (password_id, password_hash)
        for password_id, password_hash in _legacy.rows(connection, name=key(name))
    ]
    dummies = [
        (0, application_passwords.dummy(beginning))
        for beginning, number in most
        for _ in range(min(number, MAX_LEGACY) - sum(hash_.startswith(beginning) for _, hash_ in own))
    ]
    return own + dummies


def upgrade_application_password(connection: Connection, password_id: int, digest: str) -> CurrentUser | None:
    """Store a verified password's fast hash in place of its slow one; None if it was revoked meanwhile."""
    user_id = connection.scalar(
        update(ApplicationPassword)
        .where(ApplicationPassword.id == password_id)
        .values(password_hash=digest, last_used=now())
        .returning(ApplicationPassword.user_id)
    )
    row = connection.execute(select(User.id, User.login, User.role).where(User.id == user_id)).one_or_none()
    return CurrentUser(*row) if row else None


def record_last_used(connection: Connection, password_id: int, before: str) -> None:
    """Write down that an application password is used now, unless it was used since ``before``."""
    unused = or_(ApplicationPassword.last_used.is_(None), ApplicationPassword.last_used < before)
    connection.execute(
        update(ApplicationPassword)
        .where(ApplicationPassword.id == password_id, unused)
        .values(last_used=now())
    )


def key(name: str) -> str:
    """Return the form in which logins and e-mail addresses are compared."""
    return name.strip().casefold()


def create_user(
    connection: Connection,
    login: str,
    email: str,
    display_name: str,
    role: str,
    password_hash: str | None = None,
) -> int:
    """Store a new user and return its id; ``UserError`` if login or e-mail are taken."""
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
    statement = select(User.id, User.login, User.email, User.display_name, User.role).order_by(User.id)
    return [dict(row) for row in connection.execute(statement).mappings()]


def set_role(connection: Connection, login: str, role: str) -> None:
    """Give a user another role; it holds from the next request on."""
    connection.execute(update(User).where(User.id == _user_id(connection, login)).values(role=role))


def set_password(connection: Connection, login: str, password_hash: str) -> None:
    """Give a user another login password; who is signed in with the old one no longer is."""
    user_id = _user_id(connection, login)
    connection.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
    sign_out(connection, login)


def sign_out(connection: Connection, login: str) -> int:
    """End all sessions of a user, at once and in every process; return how many there were."""
    return connection.execute(delete(Session).where(Session.user_id == _user_id(connection, login))).rowcount


def delete_user(connection: Connection, login: str) -> None:
    """Delete a user, its application passwords and sessions; its customer stays, detached."""
    connection.execute(delete(User).where(User.id == _user_id(connection, login)))


def create_application_password(connection: Connection, login: str, name: str) -> str:
    """Store a new application password and return it; only its hash is kept."""
    secret = application_passwords.generate()
    connection.execute(
        insert(ApplicationPassword),
        {
            "user_id": _user_id(connection, login),
            "name": name,
            "password_hash": application_passwords.digest(secret),
            "created_at": now(),
        },
    )
    return secret


def list_application_passwords(connection: Connection, login: str) -> list[Record]:
    """Return id, name, age and last use of a user's application passwords; never a hash."""
    statement = (
        select(
            ApplicationPassword.id,
            ApplicationPassword.name,
            ApplicationPassword.created_at,
            ApplicationPassword.last_used,
        )
        .where(ApplicationPassword.user_id == _user_id(connection, login))
        .order_by(ApplicationPassword.id)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def revoke_application_password(connection: Connection, password_id: int) -> None:
    """Delete an application password; it is refused from the next request on, in every process."""
    revoked = connection.execute(
        delete(ApplicationPassword).where(ApplicationPassword.id == password_id)
    ).rowcount
    if not revoked:
        raise UserError(f"There is no application password with ID {password_id}")


def _user_id(connection: Connection, login: str) -> int:
    user_id = connection.scalar(select(User.id).where(User.login_key == key(login)))
    if user_id is None:
        raise UserError(f"There is no user {login!r}")
    return user_id
