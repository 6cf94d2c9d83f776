"""Signing in and out at WordPress's own addresses (decision 51): the form, its sessions, and their nonces."""

import re
from functools import partial
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from fluent_cart.auth.dependencies import (
    find_session,
    is_cross_site,
    is_nonce,
    make_nonce,
    nonce_from_request,
)
from fluent_cart.auth.limits import Limits
from fluent_cart.database import Database
from fluent_cart.errors import (
    AuthenticationFailed,
    CrossSiteRequest,
    TooManyAttempts,
    TooManyRequests,
    UnreadableBody,
    UnsupportedMediaType,
)
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.http.request_body import FORM, parse_form, read_bytes
from fluent_cart.observability import security_log
from fluent_cart.observability.request_context import client_address, request_context
from fluent_cart.pages.login_form import login_page, sign_out_page
from fluent_cart.security import login_passwords, session_cookies
from fluent_cart.services import sessions, users
from fluent_cart.services.sessions import Account

LOGIN = "/wp-login.php"
AJAX = "/wp-admin/admin-ajax.php"
# Strangers send it. A password has 4,096 bytes at most, which are three times as many in a form.
MAX_FORM_BYTES = 16 * 1024
DAY_SECONDS = 24 * 3600
# Without and with "remember me". Without, browsers forget the cookie when they close.
SHORT, LONG = 2 * DAY_SECONDS, 14 * DAY_SECONDS
REFUSED = 403
# One text for every cause, because the text must not show which accounts exist.
WRONG = "The user name or the password is not correct"

# The rest of an address on this site. A browser takes "//" and "/\\" for the beginning of another one.
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")

router = APIRouter(include_in_schema=False)


@router.get(LOGIN)
async def show_form(request: Request, database: DatabaseDep) -> Response:
    """Show the form to sign in with, or end the session."""
    query = request.query_params
    if query.get("action") == "logout":
        return await _sign_out(request, database)
    notice = "You are signed out." if "loggedout" in query else ""
    return login_page(_own_address(request, query.get("redirect_to", "")), notice)


@router.post(LOGIN)
async def sign_in(request: Request, database: DatabaseDep) -> Response:
    """Begin a session and answer with its cookie; the form again if name or password are wrong.

    A form of another site is refused: it could sign a visitor in as somebody else.
    """
    if is_cross_site(request):
        error = CrossSiteRequest()
        security_log.log_denied(request.scope, error)
        return login_page("/", error.message, error.status)
    fields = await _read_form(request)
    target = _own_address(request, fields.get("redirect_to", ""))
    seconds = LONG if fields.get("rememberme") else SHORT
    try:
        cookie = await _start_session(
            request, database, fields.get("log", ""), fields.get("pwd", ""), seconds
        )
    except (AuthenticationFailed, TooManyAttempts, TooManyRequests) as error:
        security_log.log_denied(request.scope, error)
        status = REFUSED if isinstance(error, AuthenticationFailed) else error.status
        return login_page(target, error.message, status, error.headers)
    security_log.log_login(request.scope)
    response = _moved(target)
    _set_cookie(request, response, cookie, LONG if seconds == LONG else None)
    return response


@router.api_route(AJAX, methods=["GET", "POST"])
async def new_nonce(request: Request, database: DatabaseDep) -> Response:
    """Answer with the nonce of the session; as in WordPress 0 and 400 if there is none."""
    is_asked = request.query_params.get("action") == "rest-nonce"
    session = await find_session(request, database) if is_asked else None
    if session is None:
        return Response("0", 400, media_type="text/plain")
    return Response(make_nonce(session), media_type="text/plain")


async def _start_session(request: Request, database: Database, name: str, password: str, seconds: int) -> str:
    """Return the cookie of a new session, which ends the one that the browser had.

    Refused are wrong names and passwords with one error, at the same cost; and the eleventh of them (429).
    """
    limits: Limits = request.app.state.limits
    request_context(request.scope).account = name
    address = client_address(request.scope)
    limits.failed_logins.require_allowed(address)
    # No database has a NUL in a name, and some fail at one.
    account = await database.read(sessions.find_account, name if "\0" not in name else "")
    right, new_hash = await limits.hash_queue.run(partial(_check, account, password))
    if account and right:
        older = await find_session(request, database)
        cookie = await database.write(
            sessions.start_session, account, new_hash, seconds, older.id if older else None
        )
        if cookie:
            if new_hash:
                security_log.log_password_upgrade(request.scope)
            return cookie
    limits.failed_logins.count(users.key(name), address)
    raise AuthenticationFailed(WRONG)


def _check(account: Account | None, password: str) -> tuple[bool, str | None]:
    """Tell whether a password is right, and what is to be stored of it if that is not today's form."""
    stored = account.password_hash if account else None
    if not login_passwords.verify(password, stored):
        return False, None
    outdated = stored is not None and login_passwords.is_outdated(stored)
    return True, login_passwords.hash_password(password) if outdated else None


async def _sign_out(request: Request, database: Database) -> Response:
    session = await find_session(request, database)
    if session:
        request_context(request.scope).account = session.user.login
        # Otherwise any page could sign out its visitors.
        if not is_nonce(nonce_from_request(request) or "", session):
            return sign_out_page(f"{LOGIN}?action=logout&_wpnonce={make_nonce(session)}")
        await database.write(sessions.end_session, session.id)
        security_log.log_logout(request.scope)
    response = _moved(
        _own_address(request, request.query_params.get("redirect_to", ""), f"{LOGIN}?loggedout=true")
    )
    _set_cookie(request, response, "", 0)
    return response


async def _read_form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise UnsupportedMediaType(f"Send the form as {FORM}, in UTF-8")
    try:
        fields = parse_form((await read_bytes(request, MAX_FORM_BYTES)).decode())
    except UnicodeDecodeError:
        raise UnreadableBody from None
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _own_address(request: Request, address: str, otherwise: str = "/") -> str:
    """Return ``address`` if it is on this site, because a link must not lead to another site."""
    base = urlsplit(str(request.base_url))
    path = address.removeprefix(f"{base.scheme}://{base.netloc}")
    return address if _PATH.fullmatch(path) else otherwise


def _moved(address: str) -> Response:
    return Response(status_code=302, headers={"Location": address})


def _set_cookie(request: Request, response: Response, value: str, max_age: int | None) -> None:
    response.set_cookie(
        session_cookies.NAME,
        value,
        max_age=max_age,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
