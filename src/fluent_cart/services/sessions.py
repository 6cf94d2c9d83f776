"""Logins with a login password, and the sessions that they begin.

See docs/decisions.md#50-login-passwords and #51-sessions.
"""

import secrets
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from fluent_cart.clock import now, to_text
from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.models import Session, User
from fluent_cart.security import session_cookies
from fluent_cart.security.session_cookies import Cookie
from fluent_cart.services.expired_rows import remove_oldest
from fluent_cart.services.users import CurrentUser, is_named, key

# Each new session removes up to this many expired sessions, so that the table does not grow.
EXPIRED_PER_WRITE = 10


class Account(NamedTuple):
    """The user that a name belongs to, and the hash of the login password, if there is one."""

    id: int
    login: str
    password_hash: str | None


class ActiveSession(NamedTuple):
    """A valid session, with the values that its nonces are computed from."""

    id: int
    user: CurrentUser
    token: str
    key: str


_by_name = Prepared(
    select(User.id, User.login, User.password_hash)
    .where(is_named)
    # One user's e-mail address may be another user's login. The login counts first, as in WordPress.
    .order_by(User.login_key != bindparam("name"))
    .limit(1)
)
_by_token = Prepared(
    select(Session.id, User.id, User.login, User.role, User.password_hash, Session.key)
    .join(User, User.id == Session.user_id)
    .where(Session.token_hash == bindparam("token_hash"), User.password_hash.is_not(None))
)

_of_user = Prepared(
    select(Session.id, Session.created_at, Session.expires_at)
    .where(Session.user_id == bindparam("user_id"), Session.expires_at > bindparam("now"))
    .order_by(Session.id.desc())
)


def find_account(connection: LookupConnection, name: str) -> Account | None:
    """Return the account with this login or e-mail address. One look-up, also if there is no account."""
    return next((Account(*row) for row in _by_name.rows(connection, name=key(name))), None)


def start_session(
    connection: Connection, account: Account, new_hash: str | None, seconds: int, older: int | None = None
) -> str | None:
    """Begin a session and return its cookie. Return None if the password was changed after it was checked.

    A ``new_hash`` of the same password replaces the old hash, and the new session replaces the session
    ``older``.
    """
    password_hash = connection.scalar(
        select(User.password_hash).where(User.id == account.id).with_for_update()
    )
    if password_hash is None or password_hash != account.password_hash:
        return None
    if new_hash:
        connection.execute(update(User).where(User.id == account.id).values(password_hash=new_hash))
    if older is not None:
        end_session(connection, older)
    return _add_session(connection, account, new_hash or password_hash, seconds)


def change_password(connection: Connection, account: Account, new_hash: str, seconds: int) -> str | None:
    """Store another login password, end all sessions of the user, and return the cookie of a new one.

    None if the password has changed since it was checked.
    """
    changed = connection.execute(
        update(User)
        .where(User.id == account.id, User.password_hash == account.password_hash)
        .values(password_hash=new_hash)
    ).rowcount
    if not changed:
        return None
    connection.execute(delete(Session).where(Session.user_id == account.id))
    return _add_session(connection, account, new_hash, seconds)


def _add_session(connection: Connection, account: Account, password_hash: str, seconds: int) -> str:
    """Store a session and return its cookie."""
    remove_expired(connection, EXPIRED_PER_WRITE)
    token, signing_key, expires = secrets.token_urlsafe(32), secrets.token_hex(32), int(time.time()) + seconds
    connection.execute(
        insert(Session),
        {
            "user_id": account.id,
            "token_hash": _hashed(token),
            "key": signing_key,
            "created_at": now(),
            "expires_at": to_text(datetime.fromtimestamp(expires, UTC)),
        },
    )
    return session_cookies.write(account.login, expires, token, signing_key, password_hash)


def find_session(connection: LookupConnection, cookie: Cookie) -> ActiveSession | None:
    """Return the session of a cookie.

    Return None if the cookie is forged or expired or the session was ended.
    """
    for session_id, user_id, login, role, password_hash, signing_key in _by_token.rows(
        connection, token_hash=_hashed(cookie.token)
    ):
        if session_cookies.is_valid(cookie, signing_key, password_hash):
            return ActiveSession(session_id, CurrentUser(user_id, login, role), cookie.token, signing_key)
    return None


def end_session(connection: Connection, session_id: int) -> None:
    """End a session. Every process rejects its cookie from the next request on."""
    connection.execute(delete(Session).where(Session.id == session_id))


def sessions_of(connection: LookupConnection, user_id: int) -> list[Record]:
    """Return id, begin and end of each session of a user that has not expired, the newest first."""
    return _of_user.records(connection, user_id=user_id, now=now())


def end_other_sessions(connection: Connection, user_id: int, kept: int) -> int:
    """End all sessions of a user except one. Return how many were ended."""
    others = delete(Session).where(Session.user_id == user_id, Session.id != kept)
    return connection.execute(others).rowcount


def remove_expired(connection: Connection, limit: int) -> int:
    """Remove up to ``limit`` expired sessions. Return how many were removed."""
    time = Session.expires_at
    return remove_oldest(connection, Session, time <= now(), time.expression, limit)


def _hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()
