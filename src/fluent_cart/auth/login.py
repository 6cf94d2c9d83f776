"""Check a login password, within the limits of failed logins.

See docs/decisions.md#29-rate-limits and #53-failed-logins-of-the-form.
"""

from functools import partial
from typing import NamedTuple

from fastapi import Request

from fluent_cart.auth.limits import Limits
from fluent_cart.database import Database
from fluent_cart.errors import AuthenticationFailed
from fluent_cart.observability.request_context import client_address, request_context
from fluent_cart.security import login_passwords
from fluent_cart.services import sessions, users
from fluent_cart.services.sessions import Account

# One text for every cause, because the text must not show which accounts exist.
WRONG = "The user name or the password is not correct"


class CheckedLogin(NamedTuple):
    """An account whose password is right."""

    account: Account
    # The new hash to store, if the stored one is outdated.
    new_hash: str | None


async def check_login_password(
    request: Request, database: Database, name: str, password: str
) -> CheckedLogin:
    """Return the account of a name if the password is right.

    Raise the same ``AuthenticationFailed`` for wrong names and wrong passwords, after the same work, and
    ``TooManyAttempts`` for the eleventh failure. Raise ``TooManyRequests`` if too many checks wait.
    """
    limits: Limits = request.app.state.limits
    request_context(request.scope).account = name
    limits.failed_logins.require_allowed(client_address(request.scope))
    # Database names have no NUL, and some databases fail at one.
    account = await database.read(sessions.find_account, name if "\0" not in name else "")
    right, new_hash = await limits.hash_queue.run(partial(_check, account, password))
    if account and right:
        return CheckedLogin(account, new_hash)
    raise count_failure(request, name)


def count_failure(request: Request, name: str) -> AuthenticationFailed:
    """Count a wrong password and return its error.

    Raise ``TooManyAttempts`` if there were too many before.
    """
    limits: Limits = request.app.state.limits
    limits.failed_logins.count(users.key(name), client_address(request.scope))
    return AuthenticationFailed(WRONG)


def _check(account: Account | None, password: str) -> tuple[bool, str | None]:
    """Return whether a password is right, and a new hash if the stored one is outdated."""
    stored = account.password_hash if account else None
    if not login_passwords.verify(password, stored):
        return False, None
    outdated = stored is not None and login_passwords.is_outdated(stored)
    return True, login_passwords.hash_password(password) if outdated else None
