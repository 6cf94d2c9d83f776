"""The page of a user's own account: application passwords, login password, sessions.

See docs/decisions.md#152-account-pages, #155-change-of-the-login-password, #156-revoking-in-two-steps and
#157-new-passwords-on-the-account-page.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from fastapi import Request, Response

from fluent_cart.auth.limits import Limits
from fluent_cart.auth.login import check_login_password, count_failure
from fluent_cart.database import Database
from fluent_cart.errors import (
    ApiError,
    AuthenticationFailed,
    InvalidNonce,
    TooManyAttempts,
    TooManyRequests,
    ValidationFailed,
)
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.observability import security_log
from fluent_cart.pages.account.html import plain_text
from fluent_cart.pages.account.profile_page import NOTICES, FormError, profile_page
from fluent_cart.pages.account.visitor import (
    Visitor,
    has_nonce,
    page_router,
    require_same_site,
    require_visitor,
)
from fluent_cart.pages.forms import moved, read_form
from fluent_cart.pages.session_cookie import LONG, SHORT, set_cookie
from fluent_cart.security import login_passwords, session_cookies
from fluent_cart.services import application_passwords, sessions
from fluent_cart.services.account import get_account
from fluent_cart.services.application_passwords import MAX_NAME
from fluent_cart.wordpress.paths import DASHBOARD, PROFILE

Fields = Mapping[str, str]
REFUSED = 403

router = page_router()


@router.get(PROFILE)
async def show_account(request: Request, database: DatabaseDep) -> Response:
    """Show the account of the user who is signed in."""
    visitor = await require_visitor(request, database, PROFILE)
    return await _show(database, visitor, notice=NOTICES.get(request.query_params.get("updated", ""), ""))


@router.post(PROFILE)
async def change_account(request: Request, database: DatabaseDep) -> Response:
    """Run the action of a form of the page."""
    require_same_site(request)
    fields = await read_form(request)
    visitor = await require_visitor(request, database, PROFILE)
    if not has_nonce(request, visitor, fields.get("_wpnonce", "")):
        form_error = FormError("", "This page was open for too long, so nothing was changed. Try again")
        return await _show(database, visitor, form_error=form_error, status=InvalidNonce.status)
    act = ACTIONS.get(fields.get("action", ""))
    return await act(request, database, visitor, fields) if act else moved(PROFILE)


@router.get(DASHBOARD)
@router.get(f"{DASHBOARD}/")
async def go_to_account() -> Response:
    """Redirect from WordPress' dashboard to the account, the only page of the dashboard here."""
    return moved(PROFILE)


@router.get("/.well-known/change-password")
async def go_to_password() -> Response:
    """Redirect password managers to the form (W3C: A Well-Known URL for Changing Passwords)."""
    return moved(f"{PROFILE}#password")


async def _show(
    database: Database,
    visitor: Visitor,
    *,
    notice: str = "",
    form_error: FormError | None = None,
    secret: tuple[str, str] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    account = await database.read(get_account, visitor.user.id)
    return profile_page(
        visitor, account, notice=notice, form_error=form_error, secret=secret, status=status, headers=headers
    )


async def _make_application_password(
    request: Request, database: Database, visitor: Visitor, fields: Fields
) -> Response:
    name = plain_text(fields.get("name", ""))
    if not name or len(name) > MAX_NAME:
        form_error = FormError("name", f"The name of an application password has 1 to {MAX_NAME} characters")
        return await _show(database, visitor, form_error=form_error, status=ValidationFailed.status)
    secret = await database.write(application_passwords.add_application_password, visitor.user.id, name)
    security_log.log_credential(request.scope, "app_password_created")
    # No redirect, because then the secret would have to be stored.
    return await _show(database, visitor, secret=(secret, name))


async def _revoke_application_password(
    request: Request, database: Database, visitor: Visitor, fields: Fields
) -> Response:
    text = fields.get("id", "")
    password_id = int(text) if text.isdecimal() and text.isascii() and len(text) <= 18 else 0
    return await _revoke(request, database, visitor, password_id, "revoked")


async def _revoke_all(request: Request, database: Database, visitor: Visitor, _fields: Fields) -> Response:
    return await _revoke(request, database, visitor, None, "all-revoked")


async def _revoke(
    request: Request, database: Database, visitor: Visitor, password_id: int | None, notice: str
) -> Response:
    revoke = application_passwords.revoke_own_application_passwords
    if await database.write(revoke, visitor.user.id, password_id):
        security_log.log_credential(request.scope, "app_password_revoked")
    # Also if it was revoked before, because the result is the same.
    return moved(f"{PROFILE}?updated={notice}")


async def _end_other_sessions(
    request: Request, database: Database, visitor: Visitor, _fields: Fields
) -> Response:
    if await database.write(sessions.end_other_sessions, visitor.user.id, visitor.session.id):
        security_log.log_credential(request.scope, "sessions_ended")
    return moved(f"{PROFILE}?updated=sessions")


async def _change_password(
    request: Request, database: Database, visitor: Visitor, fields: Fields
) -> Response:
    new = fields.get("pass1", "")
    objection = login_passwords.objection(new)
    if objection or new != fields.get("pass2", ""):
        form_error = FormError("pass1", objection or "The new password and its repetition are not the same")
        return await _show(database, visitor, form_error=form_error, status=ValidationFailed.status)
    seconds = _length_of_session(request)
    try:
        cookie = await _store_password(
            request, database, visitor, fields.get("current_password", ""), new, seconds
        )
    except (AuthenticationFailed, TooManyAttempts, TooManyRequests) as error:
        return await _refuse_password(request, database, visitor, error)
    security_log.log_credential(request.scope, "login_password_changed")
    response = moved(f"{PROFILE}?updated=password")
    set_cookie(request, response, cookie, seconds)
    return response


async def _store_password(
    request: Request, database: Database, visitor: Visitor, current: str, new: str, seconds: int
) -> str:
    """Return the cookie of a new session. Raise the errors of the login form for a wrong password."""
    limits: Limits = request.app.state.limits
    checked = await check_login_password(request, database, visitor.user.login, current)
    new_hash = await limits.hash_queue.run(partial(login_passwords.hash_password, new))
    cookie = await database.write(sessions.change_password, checked.account, new_hash, seconds)
    if cookie is None:
        # The password was changed during the check.
        raise count_failure(request, visitor.user.login)
    return cookie


async def _refuse_password(
    request: Request, database: Database, visitor: Visitor, error: ApiError
) -> Response:
    security_log.log_denied(request.scope, error)
    if isinstance(error, AuthenticationFailed):
        form_error = FormError("current_password", "The current password is not correct")
        return await _show(database, visitor, form_error=form_error, status=REFUSED)
    form_error = FormError("current_password", error.message)
    return await _show(database, visitor, form_error=form_error, status=error.status, headers=error.headers)


def _length_of_session(request: Request) -> int:
    """Return the length of the next session: long if more than a short one is left of this one."""
    cookie = session_cookies.read(request.scope["headers"])
    left = int(cookie.expires) - time.time() if cookie else 0
    return LONG if left > SHORT else SHORT


Act = Callable[[Request, Database, Visitor, Fields], Awaitable[Response]]
ACTIONS: Mapping[str, Act] = {
    "make_application_password": _make_application_password,
    "revoke_application_password": _revoke_application_password,
    "revoke_all_application_passwords": _revoke_all,
    "change_password": _change_password,
    "end_other_sessions": _end_other_sessions,
}
