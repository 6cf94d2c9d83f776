"""The pages at /wp-login.php, for people and for programs that fill in WordPress's form."""

from collections.abc import Mapping
from html import escape
from string import Template

from fastapi.responses import HTMLResponse

HEADERS = {
    # No script, nothing from elsewhere, and no frame.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    # The address of a page may hold a nonce. With no-referrer, the form would be sent with "Origin: null".
    "Referrer-Policy": "same-origin",
}

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 20rem; margin: 4rem auto; padding: 0 1rem }
input:not([type=checkbox]), button { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit }
p[role] { border-left: 4px solid #b32d2e; padding-left: .75rem }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")
# The names are those of WordPress's own form.
_FORM = Template("""\
$notice<form id="loginform" action="/wp-login.php" method="post">
<p><label for="user_login">User name or e-mail address</label>
<input id="user_login" name="log" autocomplete="username" autocapitalize="off" required autofocus></p>
<p><label for="user_pass">Password</label>
<input id="user_pass" name="pwd" type="password" autocomplete="current-password" required></p>
<p><label><input id="rememberme" name="rememberme" type="checkbox" value="forever"> Remember me</label></p>
<p><button id="wp-submit">Sign in</button></p>
<input name="redirect_to" type="hidden" value="$target">
</form>""")


def login_page(
    target: str, notice: str = "", status: int = 200, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Return the form to sign in with, which leads to ``target``, below a ``notice`` if there is one."""
    alert = f'<p id="login_error" role="alert">{escape(notice)}</p>\n' if notice else ""
    body = _FORM.substitute(notice=alert, target=escape(target))
    return _page("Sign in", body, status, headers)


def sign_out_page(link: str) -> HTMLResponse:
    """Return the question whether to sign out, which only the person can answer."""
    body = f'<p>Do you want to <a href="{escape(link)}">sign out</a>?</p>'
    return _page("Sign out", body, 403)


def _page(title: str, body: str, status: int, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    content = _PAGE.substitute(title=title, body=body)
    return HTMLResponse(content, status, {**HEADERS, **(headers or {})})
