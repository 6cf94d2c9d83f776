"""Look up, create, list and revoke application passwords."""

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
from fluent_cart.errors import AuthenticationFailed
from fluent_cart.models import ApplicationPassword, User
from fluent_cart.security import application_passwords
from fluent_cart.services.users import CurrentUser, UserError, is_named, key, user_id_of


class AuthenticatedPassword(NamedTuple):
    """A correct application password: its user, and when it was used before."""

    user: CurrentUser
    password_id: int
    last_used: str | None


# Characters of the name of a password, which describes its purpose.
MAX_NAME = 255
# No account has more of WordPress's old passwords tried: each costs milliseconds.
MAX_LEGACY_HASHES = 5

_by_password = Prepared(
    select(User.id, User.login, User.role, ApplicationPassword.id, ApplicationPassword.last_used)
    .join(ApplicationPassword, ApplicationPassword.user_id == User.id)
    # Written so that no index can find the name. The name is compared after the password is found, so a wrong
    # password costs the same for every name.
    .where(
        ApplicationPassword.password_hash == bindparam("digest"),
        bindparam("name").in_([User.login_key, User.email_key]),
    )
)


def _begins(prefix: str) -> ColumnElement[bool]:
    # A range instead of LIKE, because SQLite reads all rows for LIKE.
    hash_ = ApplicationPassword.password_hash
    return and_(hash_ >= prefix, hash_ < prefix[:-1] + chr(ord(prefix[-1]) + 1))


_is_legacy = or_(*map(_begins, application_passwords.LEGACY_PREFIXES))
_legacy = Prepared(
    select(ApplicationPassword.id, ApplicationPassword.password_hash)
    .join(User)
    .where(is_named, _is_legacy)
    .order_by(ApplicationPassword.id)
    .limit(MAX_LEGACY_HASHES)
)
# Hashes with the same prefix take the same time to check.
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


_of_user = Prepared(
    select(
        ApplicationPassword.id,
        ApplicationPassword.name,
        ApplicationPassword.created_at,
        ApplicationPassword.last_used,
    )
    .where(ApplicationPassword.user_id == bindparam("user_id"))
    .order_by(ApplicationPassword.id)
)


def find_by_application_password(
    connection: LookupConnection, name: str, digest: str
) -> AuthenticatedPassword | None:
    """Return the user called ``name`` (login or e-mail) who owns the password. One look-up by hash."""
    rows = _by_password.rows(connection, name=key(name), digest=digest)
    if not rows:
        return None
    user_id, login, role, password_id, last_used = rows[0]
    return AuthenticatedPassword(CurrentUser(user_id, login, role), password_id, last_used)


def legacy_hashes(connection: LookupConnection, name: str) -> list[tuple[int, str]]:
    """Return the slow hashes to try for ``name``: at most five of the account.

    Dummies (with the id 0) fill the list up to the largest number of hashes of each cost that an account has,
    so that a wrong password costs the same for every name.
    """
    most = _most_legacy.rows(connection)
    if not most:
        # The name is not even looked up, because a known name takes longer to look up.
        return []
    own = [
        (password_id, password_hash)
        for password_id, password_hash in _legacy.rows(connection, name=key(name))
    ]
    dummies = [
        (0, application_passwords.dummy(beginning))
        for beginning, number in most
        for _ in range(min(number, MAX_LEGACY_HASHES) - sum(hash_.startswith(beginning) for _, hash_ in own))
    ]
    return own + dummies


def upgrade_application_password(connection: Connection, password_id: int, digest: str) -> CurrentUser | None:
    """Store a verified password's fast hash in place of its slow one.

    Return None if the password was revoked.
    """
    user_id = connection.scalar(
        update(ApplicationPassword)
        .where(ApplicationPassword.id == password_id)
        .values(password_hash=digest, last_used=now())
        .returning(ApplicationPassword.user_id)
    )
    row = connection.execute(select(User.id, User.login, User.role).where(User.id == user_id)).one_or_none()
    return CurrentUser(*row) if row else None


def record_last_used(connection: Connection, password_id: int, before: str) -> None:
    """Store the present time as the last use of a password, unless a use after ``before`` is stored."""
    unused = or_(ApplicationPassword.last_used.is_(None), ApplicationPassword.last_used < before)
    connection.execute(
        update(ApplicationPassword)
        .where(ApplicationPassword.id == password_id, unused)
        .values(last_used=now())
    )


def create_application_password(connection: Connection, login: str, name: str) -> str:
    """Store the hash of a new application password, and return the password."""
    return add_application_password(connection, user_id_of(connection, login), name)


def add_application_password(connection: Connection, user_id: int, name: str) -> str:
    """Store the hash of a user's new application password, and return the password.

    ``AuthenticationFailed`` if the user was deleted after the request was authenticated.
    """
    owner = select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True)
    if connection.scalar(owner) is None:
        raise AuthenticationFailed
    secret = application_passwords.generate()
    connection.execute(
        insert(ApplicationPassword),
        {
            "user_id": user_id,
            "name": name,
            "password_hash": application_passwords.digest(secret),
            "created_at": now(),
        },
    )
    return secret


def list_application_passwords(connection: Connection, login: str) -> list[Record]:
    """Return id, name, age and last use of a user's application passwords, without their hashes."""
    return application_passwords_of(connection, user_id_of(connection, login))


def application_passwords_of(connection: LookupConnection, user_id: int) -> list[Record]:
    """Return the same for a user's id."""
    return _of_user.records(connection, user_id=user_id)


def revoke_application_password(connection: Connection, password_id: int) -> None:
    """Delete an application password. Every process rejects it from the next request on."""
    revoked = connection.execute(
        delete(ApplicationPassword).where(ApplicationPassword.id == password_id)
    ).rowcount
    if not revoked:
        raise UserError(f"There is no application password with ID {password_id}")


def revoke_own_application_passwords(
    connection: Connection, user_id: int, password_id: int | None = None
) -> int:
    """Delete one of a user's application passwords, or all of them. Return how many were deleted."""
    condition = ApplicationPassword.user_id == user_id
    if password_id is not None:
        condition &= ApplicationPassword.id == password_id
    return connection.execute(delete(ApplicationPassword).where(condition)).rowcount
