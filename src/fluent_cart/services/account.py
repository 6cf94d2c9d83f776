"""The account of a user, as the user sees it."""

from typing import NamedTuple

from sqlalchemy import bindparam, select

from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.errors import AuthenticationFailed
from fluent_cart.models import User
from fluent_cart.services.application_passwords import application_passwords_of
from fluent_cart.services.sessions import sessions_of

_user = Prepared(select(User.email, User.display_name).where(User.id == bindparam("user_id")))


class AccountOverview(NamedTuple):
    """A user's names, application passwords and sessions, without secrets and hashes."""

    email: str
    display_name: str
    application_passwords: list[Record]
    sessions: list[Record]


def get_account(connection: LookupConnection, user_id: int) -> AccountOverview:
    """Return the account of a user. Raise ``AuthenticationFailed`` if the user was deleted."""
    rows = _user.rows(connection, user_id=user_id)
    if not rows:
        raise AuthenticationFailed
    email, display_name = rows[0]
    return AccountOverview(
        email, display_name, application_passwords_of(connection, user_id), sessions_of(connection, user_id)
    )
