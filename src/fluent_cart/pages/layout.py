"""The frame of every page: its head, the bar on top, a list of contents if there is one, the text."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

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
<a id="sign-in" href="${root}wp-login.php">Sign in</a>
</nav>
</header>
$body</body>
</html>
""")


def page(
    title: str, body: str, *, root: str = "", contents: str = "", head: str = "", description: str = ""
) -> str:
    """Return a page. ``root`` is the way from its address to that of the site, which may have a prefix."""
    return _PAGE.substitute(
        title=escape(title if title == TITLE else f"{title} - {TITLE}"),
        site=TITLE,
        description=escape(description or title),
        style=STYLE,
        head=head,
        root=root,
        body=columns(body, contents),
    )


def columns(text: str, contents: str = "") -> str:
    """Return the text, next to a list of contents if there is one."""
    main = f'<main id="text" class="text">\n{text}\n</main>\n'
    if not contents:
        return main
    nav = f'<nav class="contents" aria-label="Contents">\n{contents}\n</nav>\n'
    return f'<div class="columns">\n{nav}{main}</div>\n'


def security_headers(form_action: str = "'self'") -> dict[str, str]:
    """Return the headers of a page that has no script, nothing from elsewhere, and is in no frame."""
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self';"
        f" form-action {form_action}; frame-ancestors 'none'; base-uri 'none'",
        # The address of a page may hold a nonce. With no-referrer, a form would be sent with "Origin: null".
        "Referrer-Policy": "same-origin",
    }
