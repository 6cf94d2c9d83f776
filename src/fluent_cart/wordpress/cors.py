"""Scripts of other sites, let in as by WordPress, but only from origins that are configured (decision 73).

Not Starlette's own middleware: it answers preflights itself, outside the error envelope and without a request
id, while here, as in WordPress, OPTIONS of a route is its description, and needs no credentials.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fluent_cart.wordpress.exposed_headers import EXPOSED

METHODS = "OPTIONS, GET, POST, PUT, PATCH, DELETE"
# WordPress's five, then those that are known here besides.
ALLOWED = (
    "Authorization",
    "X-WP-Nonce",
    "Content-Disposition",
    "Content-MD5",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-HTTP-Method-Override",
    "X-Request-Id",
)
# How long a browser need not ask again, in seconds; none remembers it for longer than two hours.
MAX_AGE = b"7200"

VARY = (b"vary", b"Origin")
_ALWAYS = (
    VARY,
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", ", ".join(ALLOWED).encode()),
    (b"access-control-max-age", MAX_AGE),
)


class CorsMiddleware:
    """Adds to every answer what a browser needs to show it to a script of an allowed origin.

    It stands outside of everything else, so that errors are shown, too.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self.app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    # Not async: it returns what the application does.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            send = self._allowing(scope, send)
        return self.app(scope, receive, send)

    def _allowing(self, scope: Scope, send: Send) -> Send:
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        added: tuple[tuple[bytes, bytes], ...] = (VARY,)
        if len(origins) == 1 and origins[0] in self._origins:
            added = ((b"access-control-allow-origin", origins[0]), *_ALWAYS)
            if scope["method"] == "OPTIONS":
                added += _PREFLIGHT

        def send_allowing(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            return send(message)

        return send_allowing
