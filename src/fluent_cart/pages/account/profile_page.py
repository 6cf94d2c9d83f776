"""The HTML of the account page: plain forms, which work without JavaScript."""

from collections.abc import Iterable, Mapping
from functools import partial
from html import escape
from typing import NamedTuple

from fastapi.responses import HTMLResponse

from fluent_cart.auth.policies import can_list_users, capabilities
from fluent_cart.database.prepared import Record
from fluent_cart.enums import Permission
from fluent_cart.errors import InsufficientPermissions
from fluent_cart.pages.account.html import account_page, field, form, moment, secret_field, sign_out_link
from fluent_cart.pages.account.visitor import Visitor
from fluent_cart.pages.layout import alert, status_line
from fluent_cart.security.application_passwords import format_for_display
from fluent_cart.security.login_passwords import MIN_LENGTH
from fluent_cart.services.account import AccountOverview
from fluent_cart.services.application_passwords import MAX_NAME
from fluent_cart.services.users import CurrentUser

TITLE = "Account"
# The text of each result, by the word in the redirect's address, so that no text of an address is shown.
NOTICES: Mapping[str, str] = {
    "revoked": "The application password is revoked.",
    "all-revoked": "All application passwords are revoked.",
    "sessions": "All other sessions are ended.",
    "password": "The login password is changed, and all other sessions are ended.",
}
ALLOWED: Mapping[str, str] = {
    Permission.VIEW: "view customers",
    Permission.MANAGE: "create and change customers",
    Permission.DELETE: "delete customers and addresses",
    Permission.OPERATE: "read the server's metrics",
    Permission.LIST_USERS: "see the users",
}


class FormError(NamedTuple):
    """The error, and the field to change, if there is one."""

    field: str
    text: str


def profile_page(
    visitor: Visitor,
    account: AccountOverview,
    *,
    notice: str = "",
    form_error: FormError | None = None,
    secret: tuple[str, str] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return the page. ``secret`` is a new application password and its name, shown only now."""
    message = status_line(notice) if notice else ""
    if form_error and not form_error.field:
        message = alert(form_error.text)
    if secret:
        password, name = secret
        message = '<section class="new">\n' + secret_field(
            format_for_display(password), f"Your new password for <bdi>{escape(name)}</bdi>"
        )
        message += f"<p>The user name is <kbd>{escape(visitor.user.login)}</kbd>.</p>\n</section>\n"
    parts = (
        f"<h1>{TITLE}</h1>",
        message,
        _person(visitor.user, account),
        _application_passwords(account.application_passwords, visitor.nonce, form_error),
        _login_password(visitor, form_error),
        _sessions(account.sessions, visitor),
    )
    return account_page(
        TITLE,
        "\n".join(parts),
        nonce=visitor.nonce,
        status=status,
        headers=headers,
        error=form_error.text if form_error else "",
    )


def _person(user: CurrentUser, account: AccountOverview) -> str:
    held = ", ".join(ALLOWED[name] for name in capabilities(user.role))
    rows = {
        "User name": user.login,
        "Name": account.display_name,
        "E-mail address": account.email,
        "Role": user.role,
        "Allowed to": held or "do nothing here. An administrator can give you a role with permissions",
    }
    listed = "\n".join(f"<dt>{term}</dt><dd>{escape(text)}</dd>" for term, text in rows.items())
    users = '\n<p><a href="users.php">Users and their roles</a></p>' if _may_list_users(user) else ""
    return f"<dl>\n{listed}\n</dl>{users}"


def _may_list_users(user: CurrentUser) -> bool:
    try:
        can_list_users.check(user)
    except InsufficientPermissions:
        return False
    return True


def _application_passwords(passwords: list[Record], nonce: str, form_error: FormError | None) -> str:
    every = _behind("Revoke all", "revoke_all_application_passwords", nonce, "", "Yes, revoke all of them")
    name = _field(
        "name", "Name of a new application password", f'maxlength="{MAX_NAME}" autocomplete="off"', form_error
    )
    return f"""\
<h2 id="application-passwords-section">Application passwords</h2>
<p>Programs sign in with your user name and an application password. Make one for each program and \
each place where it runs: a password that is revoked is refused from the next request on.</p>
{_items(map(partial(_application_password, nonce), passwords)) or "<p>There are none yet.</p>"}
{every if len(passwords) > 1 else ""}
{form("make_application_password", nonce, f"{name}{_button('Make an application password')}")}"""


def _application_password(nonce: str, password: Record) -> str:
    name = f"<bdi>{escape(password['name'])}</bdi>"
    used = f"last used {_day(password['last_used'])}" if password["last_used"] else "never used"
    revoke = _behind(
        f'Revoke <span class="unseen">{name}</span>',
        "revoke_application_password",
        nonce,
        f'<input type="hidden" name="id" value="{password["id"]}">\n',
        f"Yes, revoke {name}",
    )
    return f"<strong>{name}</strong>\n<small>Made {moment(password['created_at'])}, {used}</small>\n{revoke}"


def _login_password(visitor: Visitor, form_error: FormError | None) -> str:
    login = escape(visitor.user.login)
    inner = (
        # For password managers, which store the new password under this name.
        f'<input name="log" value="{login}" autocomplete="username" hidden readonly>\n',
        _field("current_password", "Current password", _secret("current"), form_error),
        _field("pass1", f"New password, at least {MIN_LENGTH} characters", _secret("new"), form_error),
        _field("pass2", "New password again", _secret("new"), form_error),
        _button("Change the password"),
    )
    return f"""\
<h2 id="password">Login password</h2>
<p>It is for the sign-in form alone. A new one ends all other sessions. Application passwords stay.</p>
{form("change_password", visitor.nonce, "".join(inner))}"""


def _sessions(found: list[Record], visitor: Visitor) -> str:
    listed = _items(
        f"Signed in {moment(each['created_at'])}, until {moment(each['expires_at'])}"
        f"{' (this session)' if each['id'] == visitor.session.id else ''}"
        for each in found
    )
    others = form("end_other_sessions", visitor.nonce, "<p><button>End all other sessions</button></p>")
    return f"""\
<h2 id="sessions">Sessions</h2>
<p>Each browser in which you signed in with the form has one.</p>
{listed}
{others if len(found) > 1 else ""}
<p><a href="{escape(sign_out_link(visitor.nonce))}">Sign out</a> of this session.</p>"""


def _behind(summary: str, action: str, nonce: str, hidden: str, button: str) -> str:
    """Return a form whose button is visible only after unfolding it, so that one touch changes nothing."""
    inner = f'{hidden}<p><button class="danger">{button}</button></p>'
    return f"<details><summary>{summary}</summary>\n{form(action, nonce, inner)}\n</details>"


def _field(name: str, label: str, attributes: str, form_error: FormError | None) -> str:
    return field(name, label, attributes, form_error.text if form_error and form_error.field == name else "")


def _secret(kind: str) -> str:
    return f'type="password" autocomplete="{kind}-password"'


def _button(text: str) -> str:
    return f'<p><button class="primary">{text}</button></p>'


def _items(items: Iterable[str]) -> str:
    listed = "\n".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="items">\n{listed}\n</ul>' if listed else ""


def _day(text: str) -> str:
    # The last use is written once a day.
    return f'<time datetime="{escape(text)}">{escape(text[:10])}</time>'
