"""Return the user of a request from its credentials: a cookie with its nonce, or HTTP Basic.

See docs/decisions.md#22-http-basic and #52-nonces.
"""

from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Concatenate, NamedTuple, ParamSpec, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPBasic

from fluent_cart.auth.limits import Limits
from fluent_cart.database import Database
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.database.scan_queue import CALLER, Caller, ClientGone
from fluent_cart.errors import (
    AuthenticationFailed,
    AuthenticationRequired,
    CrossSiteRequest,
    InvalidNonce,
    TooManyRequests,
)
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.observability import security_log
from fluent_cart.observability.request_context import client_address, request_context
from fluent_cart.security import application_passwords, session_cookies
from fluent_cart.security.session_cookies import Cookie
from fluent_cart.services import sessions, users
from fluent_cart.services.application_passwords import (
    find_by_application_password,
    legacy_hashes,
    upgrade_application_password,
)
from fluent_cart.services.sessions import ActiveSession
from fluent_cart.services.users import CurrentUser
from fluent_cart.wordpress.site import origin as site_origin

P = ParamSpec("P")
T = TypeVar("T")

REALM = "FluentCart"
CHALLENGE = {"WWW-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}


SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Credentials(NamedTuple):
    name: str
    secret: str


class BasicCredentials(HTTPBasic):
    """The credentials of an ``Authorization: Basic`` header in UTF-8, or None.

    A malformed header counts as no header, as in WordPress. FastAPI's own reader knows only ASCII.
    """

    async def __call__(self, request: Request) -> Credentials | None:  # type: ignore[override]
        header = next((value for name, value in request.scope["headers"] if name == b"authorization"), b"")
        scheme, _, encoded = header.partition(b" ")
        if scheme.lower() != b"basic":
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
    """Return the user whose cookie and nonce, or whose application password, came with the request.

    Raise 401 without either, 403 with a wrong nonce, and 429 after too many wrong passwords or requests. A
    request with a valid cookie needs no password, as in WordPress.

    See docs/decisions.md#29-rate-limits.
    """
    limits: Limits = request.app.state.limits
    context = request_context(request.scope)
    cookie = session_cookies.read(request.scope["headers"])
    session = await _session_with_nonce(request, database, cookie) if cookie else None
    if session:
        user = session.user
    elif credentials is None:
        raise AuthenticationRequired(headers=challenge(request))
    elif request.method not in SAFE_METHODS and is_cross_site(request):
        raise CrossSiteRequest
    else:
        context.account = credentials.name
        digest = application_passwords.digest(credentials.secret)
        sign_in = await _look_up(request, database, find_by_application_password, credentials.name, digest)
        if sign_in:
            user = sign_in.user
            limits.last_used.record(database, sign_in)
        else:
            user = await _authenticate_legacy(request, database, credentials, digest)
    if session:
        context.response_headers = ((b"x-wp-nonce", make_nonce(session).encode()),)
    admit(request, user)
    return user


async def _look_up(
    request: Request,
    database: Database,
    work: Callable[Concatenate[LookupConnection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Return the result of a look-up for a request. It does not run if the client leaves while it waits.

    Abandoned requests would delay the requests of others: 60 connections send hundreds each second.
    """

    def run(connection: LookupConnection) -> T:
        _require_client(request)
        return work(connection, *args, **kwargs)

    return await database.read(run)


def _require_client(request: Request) -> None:
    """Raise ``ClientGone`` if the client of a read has closed the connection.

    A write runs: WordPress does not wait for the response to a non-blocking request.
    """
    if request_context(request.scope).is_abandoned and request.method in SAFE_METHODS:
        raise ClientGone


def admit(request: Request, user: CurrentUser) -> None:
    """Store the user of a request, and count it for the rate limit. 429 if the limit is reached."""
    _require_client(request)
    limits: Limits = request.app.state.limits
    context = request_context(request.scope)
    context.user_id = user.id
    CALLER.set(Caller(user.id, request.receive))
    wait, headers = limits.requests.acquire(user.id)
    context.response_headers += headers
    if wait:
        raise TooManyRequests(wait)


def challenge(request: Request) -> dict[str, str]:
    """Return the header that makes a browser prompt for a password, unless a script sent the request.

    The browser then sends the password with every later request, also from pages of other sites.
    """
    return CHALLENGE if request.headers.get("sec-fetch-mode", "navigate") == "navigate" else {}


def is_cross_site(request: Request) -> bool:
    """Return whether a browser sent a request for a page of another site.

    A browser sends a password that it remembers with the forms of every site. Programs send neither header.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin in request.app.state.cors_origins:
        return False
    if site := request.headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    return origin is not None and origin != site_origin(request)


async def _session_with_nonce(request: Request, database: Database, cookie: Cookie) -> ActiveSession | None:
    """Return the session of a request that has a nonce. Raise 403 if the nonce is wrong.

    The nonce proves that no other site sent the request, because browsers send cookies by themselves.
    """
    nonce = nonce_from_request(request)
    if nonce is None:
        return None
    session = await _look_up(request, database, sessions.find_session, cookie)
    if session:
        request_context(request.scope).account = session.user.login
        if not is_nonce(nonce, session):
            raise InvalidNonce
    return session


async def find_session(request: Request, database: Database) -> ActiveSession | None:
    """Return the session whose cookie came with a request, with or without a nonce."""
    cookie = session_cookies.read(request.scope["headers"])
    return await database.read(sessions.find_session, cookie) if cookie else None


def nonce_from_request(request: Request) -> str | None:
    """Return the nonce of a request, from its query or its header, or None."""
    return request.query_params.get("_wpnonce", request.headers.get("x-wp-nonce"))


def make_nonce(session: ActiveSession) -> str:
    """Return the current nonce of a session."""
    return session_cookies.nonce(session.user.id, session.token, session.key)


def is_nonce(text: str, session: ActiveSession) -> bool:
    """Return whether a text is a nonce of a session."""
    return session_cookies.is_nonce(text, session.user.id, session.token, session.key)


async def _authenticate_legacy(
    request: Request, database: DatabaseDep, credentials: Credentials, digest: str
) -> CurrentUser:
    """Check the slow hashes of an imported site, and store the fast hash of a password that matches.

    Raise 401 for a wrong password, or 429 after too many failures.
    """
    limits: Limits = request.app.state.limits
    address = client_address(request.scope)
    limits.failed_logins.require_allowed(address)
    hashes = await database.read(legacy_hashes, credentials.name)
    if hashes and (
        password_id := await limits.hash_queue.run(partial(_first_match, credentials.secret, hashes))
    ):
        user = await database.write(upgrade_application_password, password_id, digest)
        if user:
            security_log.log_password_upgrade(request.scope)
            return user
    limits.failed_logins.count(users.key(credentials.name), address)
    raise AuthenticationFailed(headers=challenge(request))


def _first_match(secret: str, hashes: Sequence[tuple[int, str]]) -> int:
    """Return the id of the application password that ``secret`` matches, or 0."""
    return next((id_ for id_, hash_ in hashes if application_passwords.verify(secret, hash_)), 0)


CurrentUserDep = Annotated[CurrentUser, Depends(current_user)]
