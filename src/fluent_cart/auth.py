"""Credentials of a request -> its user (decision 22): HTTP Basic with an application password."""

from base64 import b64decode
from typing import Annotated, NamedTuple

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPBasic

from fluent_cart import passwords
from fluent_cart.database import DatabaseDep
from fluent_cart.errors import AuthenticationFailed, AuthenticationRequired
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

# A slow hash holds the interpreter for milliseconds: one at a time, off the event loop.
_slow_hashes = CapacityLimiter(1)


async def current_user(
    credentials: Annotated[Credentials | None, Depends(basic_credentials)], database: DatabaseDep
) -> CurrentUser:
    """Return the user whose application password came with the request; 401 without one."""
    if credentials is None:
        raise AuthenticationRequired(headers=CHALLENGE)
    digest = passwords.digest(credentials.secret)
    user = await database.read(users.find_by_application_password, credentials.name, digest)
    if user is None:
        user = await _legacy_user(database, credentials, digest)
    if user is None:
        raise AuthenticationFailed(headers=CHALLENGE)
    return user


async def _legacy_user(database: DatabaseDep, credentials: Credentials, digest: str) -> CurrentUser | None:
    """Try the slow hashes of an imported site; a match is stored anew in the fast form."""
    hashes = await database.read(users.legacy_hashes, credentials.name)
    for password_id, password_hash in hashes:
        verified = await to_thread.run_sync(
            passwords.verify, credentials.secret, password_hash, limiter=_slow_hashes
        )
        if verified and password_id:
            return await database.write(users.upgrade_application_password, password_id, digest)
    return None


CurrentUserDep = Annotated[CurrentUser, Depends(current_user)]
