"""The pages at /wp-login.php, for people and for programs that fill in WordPress's form."""

from collections.abc import Mapping
from html import escape
from string import Template

from fastapi.responses import HTMLResponse

from fluent_cart.pages.layout import alert, page_response, status_line

# The longest part of a name that is repeated: no login and no e-mail address is longer.
MAX_NAME = 255

# The names are those of WordPress's own form. The focus is where the next key belongs.
_FORM = Template("""\
<h1>Sign in</h1>
$notice<form id="loginform" action="/wp-login.php" method="post">
<p><label for="user_login">User name or e-mail address</label>
<input id="user_login" name="log" value="$name" autocomplete="username" autocapitalize="off"\
 spellcheck="false" required$focus_name></p>
<p><label for="user_pass">Password</label>
<input id="user_pass" name="pwd" type="password" autocomplete="current-password" required$focus_password></p>
<p><label><input id="rememberme" name="rememberme" type="checkbox" value="forever"> Remember me</label></p>
<p><button id="wp-submit" class="primary">Sign in</button></p>
<input name="redirect_to" type="hidden" value="$target">
</form>""")
_FOCUS = " autofocus"


def login_page(
    target: str,
    error: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    name: str = "",
    is_signed_out: bool = False,
) -> HTMLResponse:
    """Return the form to sign in with, which leads to ``target``, below an ``error`` if there is one.

    The form keeps the ``name`` that was typed, never the password.
    """
    notice = status_line("You are signed out.") if is_signed_out else ""
    body = _FORM.substitute(
        notice=alert(error, "login_error") if error else notice,
        name=escape(name[:MAX_NAME]),
        focus_name="" if name else _FOCUS,
        focus_password=_FOCUS if name else "",
        target=escape(target),
    )
    return page_response("Sign in", body, status, headers, error=error)


def sign_out_page(link: str) -> HTMLResponse:
    """Return the question whether to sign out, which only the person can answer."""
    body = f'<h1>Sign out</h1>\n<p>Do you want to <a href="{escape(link)}">sign out</a>?</p>'
    return page_response("Sign out", body, 403)
