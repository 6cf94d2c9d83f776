"""Scripts of other sites may read responses if their origin is configured.

See docs/decisions.md#73-cors.
"""

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from fluent_cart.wordpress.exposed_headers import EXPOSED

METHODS = ("OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE")
# WordPress's five, then those that only this server knows.
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
# Seconds for which a browser does not send a preflight again. No browser waits for more than two hours.
MAX_AGE = 7200


def allow_origins(app: Starlette, origins: Collection[str]) -> None:
    """Let scripts of ``origins`` read every response, errors included, and send credentials.

    It must be the last middleware to be added, because the last one is the outermost.
    """
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=METHODS,
        allow_headers=ALLOWED,
        expose_headers=EXPOSED,
        max_age=MAX_AGE,
    )
