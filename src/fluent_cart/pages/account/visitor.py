"""The visitor of an account page: the session, the nonce for its forms, and errors as pages."""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from fluent_cart.auth.dependencies import admit, find_session, is_cross_site, is_nonce, make_nonce
from fluent_cart.database import Database
from fluent_cart.errors import (
    ApiError,
    AuthenticationFailed,
    CrossSiteRequest,
    InvalidNonce,
    ServiceUnavailable,
)
from fluent_cart.observability import security_log
from fluent_cart.observability.request_context import request_context
from fluent_cart.observability.unavailable_log import log_unavailable
from fluent_cart.pages.account.html import account_page
from fluent_cart.pages.forms import moved
from fluent_cart.pages.layout import alert
from fluent_cart.services.sessions import ActiveSession
from fluent_cart.services.users import CurrentUser
from fluent_cart.wordpress.paths import LOGIN, PROFILE

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class SignInNeeded(Exception):
    """The request has no session. After a login, the browser opens ``target``."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


class Visitor(NamedTuple):
    """The user whose account is shown, and the nonce for the forms."""

    session: ActiveSession
    nonce: str

    @property
    def user(self) -> CurrentUser:
        """The user of the session."""
        return self.session.user


async def require_visitor(request: Request, database: Database, target: str) -> Visitor:
    """Return the visitor.

    Raise ``SignInNeeded`` for ``target`` without a session, and 429 after too many requests.
    """
    session = await find_session(request, database)
    if session is None:
        raise SignInNeeded(target)
    request_context(request.scope).account = session.user.login
    admit(request, session.user)
    return Visitor(session, make_nonce(session))


def require_same_site(request: Request) -> None:
    """Raise ``CrossSiteRequest`` if a page of another site sent a form."""
    if is_cross_site(request):
        raise CrossSiteRequest


def has_nonce(request: Request, visitor: Visitor, nonce: str) -> bool:
    """Return whether a form was made for this session, and log it if not: no other site can make one."""
    if is_nonce(nonce, visitor.session):
        return True
    security_log.log_denied(request.scope, InvalidNonce())
    return False


class PageRoute(APIRoute):
    """A route of a page.

    Errors are pages, too, and a visitor without a session is redirected to the login form.
    """

    def get_route_handler(self) -> Handler:
        """Return the handler with its errors as pages."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded as needed:
                return _sign_in(needed.target)
            except AuthenticationFailed:
                # The user was deleted while the request ran.
                return _sign_in(PROFILE)
            except ApiError as error:
                return _error_page(request, error)

        return answer


def page_router() -> APIRouter:
    """Return a router of pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def _sign_in(target: str) -> Response:
    return moved(f"{LOGIN}?{urlencode({'redirect_to': target})}")


def _error_page(request: Request, error: ApiError) -> HTMLResponse:
    security_log.log_denied(request.scope, error)
    if isinstance(error, ServiceUnavailable):
        log_unavailable(error)
    body = f'<h1>Account</h1>\n{alert(error.message)}<p><a href="profile.php">Go to the account</a></p>'
    return account_page("Account", body, status=error.status, headers=error.headers, error=error.message)
