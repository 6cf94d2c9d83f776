"""Credentials of a request -> its user (decision 22): HTTP Basic with an application password."""

from base64 import b64decode
from collections.abc import Sequence
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from fastapi.security import HTTPBasic

from fluent_cart import passwords, security_log
from fluent_cart.database import DatabaseDep
from fluent_cart.errors import (
    AuthenticationFailed,
    AuthenticationRequired,
    TooManyAttempts,
    TooManyRequests,
)
from fluent_cart.limits import Limits
from fluent_cart.security_log import client_address
from fluent_cart.services import users
from fluent_cart.services.users import CurrentUser

REALM = "FluentCart"
CHALLENGE = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}


class Credentials(NamedTuple):
    name: str
    secret: str


class BasicCredentials(HTTPBasic):
    """The credentials of an ``Authorization: Basic`` header in UTF-8, or None.

    A header that is not well formed counts as none, as in WordPress. FastAPI's own reader knows only ASCII.
    """

    async def __call__(self, request: Request) -> Credentials | None:  # type: ignore[override]
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            decoded = b64decode(encoded.strip(), validate=True).decode()
        except ValueError:  # neither base64 nor UTF-8
            return None
        name, colon, secret = decoded.partition(":")
        if not colon or "\0" in name:
            return None
        return Credentials(name, secret)


basic_credentials = BasicCredentials(
    realm=REALM,
    scheme_name="ApplicationPassword",
    description="A login name or e-mail address, and one of that user's application passwords.",
)


async def current_user(
    request: Request,
    credentials: Annotated[Credentials | None, Depends(basic_credentials)],
    database: DatabaseDep,
) -> CurrentUser:
    """Return the user whose application password came with the request.

    401 without one; 429 after too many wrong ones, or too many requests (decision 29).
    """
    if credentials is None:
        raise AuthenticationRequired(headers=CHALLENGE)
    limits: Limits = request.app.state.limits
    state = request.scope["state"]
    state["account"] = credentials.name
    digest = passwords.digest(credentials.secret)
    sign_in = await database.read(users.find_by_application_password, credentials.name, digest)
    if sign_in:
        user = sign_in.user
        limits.last_used.note(database, sign_in)
    else:
        user = await _legacy_user(request, database, credentials, digest)
    state["user_id"] = user.id
    wait, state["headers"] = limits.requests.take(user.id)
    if wait:
        raise TooManyRequests(wait)
    return user


async def _legacy_user(
    request: Request, database: DatabaseDep, credentials: Credentials, digest: str
) -> CurrentUser:
    """Try the slow hashes of an imported site; a match is stored anew in the fast form.

    Whoever it does not let in is refused: 401, or 429 after too many failures.
    """
    limits: Limits = request.app.state.limits
    address = client_address(request.scope)
    # Only of the address: who guesses at an account from elsewhere keeps nobody from signing in to it.
    if wait := limits.guesses.wait(address):
        raise TooManyAttempts(wait)
    hashes = await database.read(users.legacy_hashes, credentials.name)
    if hashes and (
        password_id := await limits.slow_hashes.run(partial(_first_match, credentials.secret, hashes))
    ):
        user = await database.write(users.upgrade_application_password, password_id, digest)
        if user:
            security_log.upgraded(request.scope)
            return user
    if wait := limits.guesses.fail(users.key(credentials.name), address):
        raise TooManyAttempts(wait)
    raise AuthenticationFailed(headers=CHALLENGE)


def _first_match(secret: str, hashes: Sequence[tuple[int, str]]) -> int:
    """Return the id of the application password that ``secret`` is; 0 if it is none."""
    return next((id_ for id_, hash_ in hashes if passwords.verify(secret, hash_)), 0)


CurrentUserDep = Annotated[CurrentUser, Depends(current_user)]
