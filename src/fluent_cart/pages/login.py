"""Login and logout at WordPress's own addresses: the form, its sessions, and their nonces.

See docs/decisions.md#51-sessions.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from fluent_cart.auth.dependencies import (
    find_session,
    is_cross_site,
    is_nonce,
    make_nonce,
    nonce_from_request,
)
from fluent_cart.auth.login import check_login_password, count_failure
from fluent_cart.database import Database
from fluent_cart.errors import (
    AuthenticationFailed,
    CrossSiteRequest,
    ServiceUnavailable,
    TooManyAttempts,
    TooManyRequests,
)
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.observability import security_log
from fluent_cart.observability.request_context import request_context
from fluent_cart.observability.unavailable_log import log_unavailable
from fluent_cart.pages.forms import moved, own_address, read_form
from fluent_cart.pages.login_form import login_page, sign_out_page
from fluent_cart.pages.session_cookie import LONG, SHORT, forget_cookie, set_cookie
from fluent_cart.services import sessions
from fluent_cart.wordpress.paths import AJAX, LOGIN, PROFILE

REFUSED = 403

router = APIRouter(include_in_schema=False)


@router.get(LOGIN)
async def show_form(request: Request, database: DatabaseDep) -> Response:
    """Show the form to sign in with, or end the session."""
    query = request.query_params
    if query.get("action") == "logout":
        return await _sign_out(request, database)
    return login_page(_target(request, query), is_signed_out="loggedout" in query)


@router.post(LOGIN)
async def sign_in(request: Request, database: DatabaseDep) -> Response:
    """Begin a session and return its cookie, or the form again if the name or password is wrong.

    A form of another site is rejected, because it could sign a visitor in as another user.
    """
    if is_cross_site(request):
        error = CrossSiteRequest()
        security_log.log_denied(request.scope, error)
        return login_page(PROFILE, error.message, error.status)
    fields = await read_form(request)
    name, target = fields.get("log", ""), _target(request, fields)
    seconds = LONG if fields.get("rememberme") else SHORT
    try:
        cookie = await _start_session(request, database, name, fields.get("pwd", ""), seconds)
    except (AuthenticationFailed, TooManyAttempts, TooManyRequests, ServiceUnavailable) as error:
        security_log.log_denied(request.scope, error)
        if isinstance(error, ServiceUnavailable):
            log_unavailable(error)
        status = REFUSED if isinstance(error, AuthenticationFailed) else error.status
        return login_page(target, error.message, status, error.headers, name=name)
    security_log.log_login(request.scope)
    response = moved(target)
    set_cookie(request, response, cookie, seconds)
    return response


@router.api_route(AJAX, methods=["GET", "POST"])
async def new_nonce(request: Request, database: DatabaseDep) -> Response:
    """Return the nonce of the session, or 0 and 400 as in WordPress if there is no session."""
    is_asked = request.query_params.get("action") == "rest-nonce"
    session = await find_session(request, database) if is_asked else None
    if session is None:
        return Response("0", 400, media_type="text/plain")
    return Response(make_nonce(session), media_type="text/plain")


def _target(request: Request, fields: Mapping[str, str]) -> str:
    """Return the address to open after the login: that of the field on this site, or the user's account."""
    return own_address(request, fields.get("redirect_to", ""), PROFILE)


async def _start_session(request: Request, database: Database, name: str, password: str, seconds: int) -> str:
    """Return the cookie of a new session, which ends the one that the browser had."""
    checked = await check_login_password(request, database, name, password)
    older = await find_session(request, database)
    cookie = await database.write(
        sessions.start_session, checked.account, checked.new_hash, seconds, older.id if older else None
    )
    if cookie is None:
        # Another password was stored while this one was checked.
        raise count_failure(request, name)
    if checked.new_hash:
        security_log.log_password_upgrade(request.scope)
    return cookie


async def _sign_out(request: Request, database: Database) -> Response:
    session = await find_session(request, database)
    if session:
        request_context(request.scope).account = session.user.login
        # Otherwise any page could sign out its visitors.
        if not is_nonce(nonce_from_request(request) or "", session):
            return sign_out_page(f"{LOGIN}?action=logout&_wpnonce={make_nonce(session)}")
        await database.write(sessions.end_session, session.id)
        security_log.log_logout(request.scope)
    target = request.query_params.get("redirect_to", "")
    response = moved(own_address(request, target, f"{LOGIN}?loggedout=true"))
    forget_cookie(request, response)
    return response
