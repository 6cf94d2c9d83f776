"""The page on which a user authorizes an application, as in WordPress.

The application opens it in a browser. If the user approves, the browser sends a new application password to
the application.

See docs/decisions.md#153-authorization-of-applications and #154-addresses-of-applications.
"""

from collections.abc import Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response

from fluent_cart.errors import InvalidNonce, ValidationFailed
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.observability import security_log
from fluent_cart.pages.account import callbacks
from fluent_cart.pages.account.html import account_page, field, form, plain_text, secret_field
from fluent_cart.pages.account.visitor import (
    Visitor,
    has_nonce,
    page_router,
    require_same_site,
    require_visitor,
)
from fluent_cart.pages.forms import moved, read_form
from fluent_cart.pages.layout import alert
from fluent_cart.security.application_passwords import format_for_display
from fluent_cart.services.application_passwords import MAX_NAME, add_application_password
from fluent_cart.wordpress.paths import AUTHORIZE, PROFILE
from fluent_cart.wordpress.site import site_url

TITLE = "Authorize Application"
PARAMETERS = ("app_name", "app_id", "success_url", "reject_url")
# WordPress' name for the question of its form.
ACTION = "authorize_application_password"
# The texts for an application without an address.
APPROVED = "You will get a password to type into the application."
REJECTED = "You will see your account, and nothing is changed."

router = page_router()


class Wish(NamedTuple):
    """The checked request of an application. ``reject_url`` is the address after a refusal, if any."""

    name: str
    app_id: str
    success_url: str
    reject_url: str


@router.get(AUTHORIZE)
async def ask(request: Request, database: DatabaseDep) -> Response:
    """Return the page on which a user authorizes an application or refuses it."""
    visitor = await require_visitor(request, database, _address(request.query_params))
    return _question(read_wish(request.query_params), visitor)


@router.post(AUTHORIZE)
async def answer(request: Request, database: DatabaseDep) -> Response:
    """Do as the user decided, and redirect to the application."""
    require_same_site(request)
    fields = await read_form(request)
    visitor = await require_visitor(request, database, _address(fields))
    wish = read_wish(fields)
    if not has_nonce(request, visitor, fields.get("_wpnonce", "")):
        return _question(wish, visitor, "This page was open for too long. Decide again", InvalidNonce.status)
    if "approve" not in fields:
        return moved(wish.reject_url or PROFILE)
    if not wish.name or len(wish.name) > MAX_NAME:
        error = f"The name of an application password has 1 to {MAX_NAME} characters"
        return _question(wish, visitor, error, ValidationFailed.status)
    secret = await database.write(add_application_password, visitor.user.id, wish.name)
    security_log.log_credential(request.scope, "app_approved")
    if not wish.success_url:
        return _shown_once(wish, visitor, secret)
    return moved(
        callbacks.with_query(
            wish.success_url,
            site_url=site_url(request),
            user_login=visitor.user.login,
            password=secret,
        )
    )


def read_wish(fields: Mapping[str, str]) -> Wish:
    """Return the request of an application. Raise ``ValidationFailed`` if it is invalid."""
    app_id = fields.get("app_id", "")
    if app_id and not _is_uuid(app_id):
        raise ValidationFailed("The application's app_id is not a UUID")
    success, reject = (
        callbacks.checked(fields[name], name) if fields.get(name) else ""
        for name in ("success_url", "reject_url")
    )
    if success and not reject:
        reject = callbacks.with_query(success, success="false")
    return Wish(plain_text(fields.get("app_name", "")), app_id, success, reject)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _address(fields: Mapping[str, str]) -> str:
    """Return the address of this page, to return to after a login."""
    return f"{AUTHORIZE}?{urlencode({name: fields[name] for name in PARAMETERS if fields.get(name)})}"


def _question(wish: Wish, visitor: Visitor, error: str = "", status: int = 200) -> Response:
    who = (
        f"the application <strong><bdi>{escape(wish.name)}</bdi></strong>"
        if wish.name
        else "this application"
    )
    hidden = "\n".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in zip(PARAMETERS[1:], wish[1:], strict=True)
    )
    is_name_wrong = status == ValidationFailed.status
    name = f'value="{escape(wish.name)}" maxlength="{MAX_NAME}"'
    inner = f"""\
{hidden}
{field("app_name", "Name of the new application password", name, error if is_name_wrong else "")}\
<p><button class="primary" name="approve" value="1" aria-describedby="description-approve">\
Yes, I approve of this connection</button></p>
<p id="description-approve">{_way(wish.success_url, APPROVED)}</p>
<p><button name="reject" value="1" formnovalidate aria-describedby="description-reject">\
No, I do not approve of this connection</button></p>
<p id="description-reject">{_way(wish.reject_url, REJECTED)}</p>"""
    body = f"""\
<h1>{TITLE}</h1>
{alert(error) if error and not is_name_wrong else ""}<p>An application would like to connect to the account \
<strong>{escape(visitor.user.login)}</strong>.</p>
<p>Would you like to give {who} access to your account? \
Do this only if you trust the application: it may then do whatever you may do here, \
until you revoke its password in <a href="profile.php">your account</a>.</p>
{form(ACTION, visitor.nonce, inner, "authorize-application.php")}"""
    return account_page(
        TITLE,
        body,
        nonce=visitor.nonce,
        status=status,
        error=error,
        form_action=callbacks.form_action(wish.success_url, wish.reject_url),
    )


def _way(address: str, otherwise: str) -> str:
    """Return the text about a button's target: an address without its query, because the rest decides."""
    if not address:
        return otherwise
    shown = escape(address.partition("?")[0].partition("#")[0])
    return f"You will be sent to <strong><kbd>{shown}</kbd></strong>"


def _shown_once(wish: Wish, visitor: Visitor, secret: str) -> Response:
    label = f"Your new password for <bdi>{escape(wish.name)}</bdi>"
    body = (
        f"<h1>{TITLE}</h1>\n{secret_field(format_for_display(secret), label)}"
        f"<p>Type it into the application, with the user name <kbd>{escape(visitor.user.login)}</kbd>.</p>"
    )
    return account_page(TITLE, body, nonce=visitor.nonce)
