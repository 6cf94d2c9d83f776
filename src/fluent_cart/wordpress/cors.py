"""Let scripts of configured origins read responses.

See docs/decisions.md#73-cors.
"""

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware

from fluent_cart.wordpress.exposed_headers import EXPOSED

METHODS = ("OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE")
# The five headers of WordPress, then those of this server.
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
# Seconds for which a browser does not send another preflight. Browsers accept at most two hours.
MAX_AGE = 7200


def allow_origins(app: Starlette, origins: Collection[str]) -> None:
    """Let scripts of ``origins`` read every response, errors included, and send credentials.

    Add this middleware last, because the last one is the outermost.
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
