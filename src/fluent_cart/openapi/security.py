"""Describe the second way to sign in: a cookie and its nonce. FastAPI describes the first one by itself.

See docs/decisions.md#52-nonces.
"""

from typing import Any

from fluent_cart.security import session_cookies

SESSION_SCHEMES: dict[str, Any] = {
    "SessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": session_cookies.NAME,
        "description": "Set by `POST /wp-login.php` with the form fields `log` (a login name or e-mail"
        " address) and `pwd` (the login password). Browsers send it by themselves.",
    },
    "Nonce": {
        "type": "apiKey",
        "in": "header",
        "name": "X-WP-Nonce",
        "description": "Required with the cookie: the response of `GET "
        "/wp-admin/admin-ajax.php?action=rest-nonce`, valid for 12 to 24 hours. It may also "
        "be sent as `_wpnonce` in the query.",
    },
}
FRESH_NONCE = {"X-WP-Nonce": ("string", "New nonce, if the request had the cookie")}
