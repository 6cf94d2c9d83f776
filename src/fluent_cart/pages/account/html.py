"""The parts of the account pages: the frame with its bar, forms with a nonce, times."""

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from fluent_cart.pages.layout import alert, page_response

# From /wp-admin/ to the site.
ROOT = "../"


def account_page(
    title: str,
    body: str,
    *,
    nonce: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    error: str = "",
    form_action: str = "'self'",
) -> HTMLResponse:
    """Return a page with a link to the account and, with a ``nonce``, one to sign out."""
    links = '<a href="profile.php">Account</a>'
    if nonce:
        links += f'\n<a href="{escape(sign_out_link(nonce))}">Sign out</a>'
    return page_response(
        title, body, status, headers, root=ROOT, account=links, error=error, form_action=form_action
    )


def sign_out_link(nonce: str) -> str:
    """Return the address that ends the session, from a page of the account."""
    return f"{ROOT}wp-login.php?{urlencode({'action': 'logout', '_wpnonce': nonce})}"


def form(action: str, nonce: str, inner: str, address: str = "profile.php") -> str:
    """Return a form for an ``action`` of the page at ``address``."""
    return (
        f'<form action="{address}" method="post">\n'
        f'<input type="hidden" name="_wpnonce" value="{escape(nonce)}">\n'
        f'<input type="hidden" name="action" value="{escape(action)}">\n{inner}\n</form>'
    )


def field(name: str, label: str, attributes: str, error: str = "") -> str:
    """Return a field of a form.

    A field with an ``error`` above it has the focus, and the page scrolls there.
    """
    wrong = ' aria-invalid="true" aria-describedby="error" autofocus' if error else ""
    return (
        f'{alert(error) if error else ""}<p><label for="{name}">{label}</label>\n'
        f'<input id="{name}" name="{name}" {attributes} required{wrong}></p>\n'
    )


def secret_field(secret: str, label: str) -> str:
    """Return a new application password in a field with the focus. It is shown only now."""
    return (
        f'<p><label for="new-application-password-value">{label}</label>\n'
        '<input id="new-application-password-value" class="code" type="text" readonly autofocus'
        f' value="{escape(secret)}" autocomplete="off" spellcheck="false"></p>\n'
        "<p>Save it now: it is not shown again, because the server keeps only its hash.</p>\n"
    )


def moment(text: str) -> str:
    """Return a time of the database for people: ``2024-01-01 10:00 UTC``."""
    return f'<time datetime="{escape(text)}">{escape(text[:16].replace("T", " "))} UTC</time>'


def plain_text(text: str) -> str:
    """Return a text in one line, without invisible characters, also those that turn text around."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
