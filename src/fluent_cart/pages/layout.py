"""The layout of every page: its head, the bar at the top, the list of contents if there is one, the text."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from fastapi.responses import HTMLResponse

from fluent_cart.openapi.introduction import TITLE

STYLE = (files(__package__) / "style.css").read_text("utf-8")
_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="$description">
<title>$title</title>
<link rel="icon" href="${root}docs/favicon.svg">
<style>$style</style>
$head</head>
<body>
<a class="skip" href="#text">Skip to the text</a>
<header class="bar">
<a class="brand" href="${root}docs">
<img src="${root}docs/favicon.svg" alt="" width="24" height="24"> $site</a>
<nav id="bar" aria-label="Site">
<a href="${root}docs">Reference</a>
<a href="${root}guide">Guides</a>
$account
</nav>
</header>
$body</body>
</html>
""")


# The same for everybody, because most pages are: who is not signed in yet gets the form first.
_ACCOUNT = Template('<a id="account" href="${root}wp-admin/profile.php">Account</a>')


def page(
    title: str,
    body: str,
    *,
    root: str = "",
    contents: str = "",
    head: str = "",
    description: str = "",
    account: str = "",
) -> str:
    """Return a page. ``root`` is the way from its address to that of the site, which may have a prefix.

    ``account`` is HTML for the end of the bar on top.
    """
    return _PAGE.substitute(
        title=escape(title if title == TITLE else f"{title} - {TITLE}"),
        site=TITLE,
        description=escape(description or title),
        style=STYLE,
        head=head,
        root=root,
        account=account or _ACCOUNT.substitute(root=root),
        body=columns(body, contents),
    )


def columns(text: str, contents: str = "") -> str:
    """Return the text, next to a list of contents if there is one."""
    main = f'<main id="text" class="text">\n{text}\n</main>\n'
    if not contents:
        return main
    nav = f'<nav class="contents" aria-label="Contents">\n{contents}\n</nav>\n'
    return f'<div class="columns">\n{nav}{main}</div>\n'


def page_response(
    title: str,
    body: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    root: str = "",
    account: str = "",
    error: str = "",
    form_action: str = "'self'",
) -> HTMLResponse:
    """Return a page as a response, which no cache keeps. With an ``error`` the title says so."""
    content = page(f"Error: {title}" if error else title, body, root=root, account=account)
    return HTMLResponse(content, status, {**security_headers(form_action), **(headers or {})})


def alert(text: str, identifier: str = "error") -> str:
    """Return the message that something is wrong."""
    return f'<p id="{identifier}" role="alert">{escape(text)}</p>\n'


def status_line(text: str) -> str:
    """Return the message that something was done."""
    return f'<p class="notice" role="status">{escape(text)}</p>\n'


def security_headers(form_action: str = "'self'") -> dict[str, str]:
    """Return the headers of a page without scripts, without content of other sites, and without frames."""
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self';"
        f" form-action {form_action}; frame-ancestors 'none'; base-uri 'none'",
        # The address of a page may contain a nonce. With no-referrer, a form would be sent with "Origin:
        # null".
        "Referrer-Policy": "same-origin",
    }
