"""Accept requests and shape responses as WordPress clients expect them.

See docs/decisions.md#1-paths, #8-forms-of-input, #71-profile-of-a-user and #72-response-shape.
"""

import re
from collections.abc import Awaitable
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fluent_cart.wordpress.paths import EXAMPLES_PREFIX, PREFIX, ROOT
from fluent_cart.wordpress.response_shape import shape_response, wants_shaping

# Without HEAD, because the response to a POST has a body, which the client would read as the next response.
OVERRIDES = frozenset({"GET", "PUT", "PATCH", "DELETE"})
# The file that runs WordPress. It is in the path if the web server does not rewrite paths.
INDEX = "/index.php"
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")


class WordPressMiddleware:
    """Rewrites a request before routing, and the shape of a response after all other layers.

    - ``/?rest_route=/fluent-cart/v2/customers`` is the pretty path, and so are ``/index.php?rest_route=...``
      and ``/index.php/wp-json/...``
    - v1 in the path is v2
    - a trailing slash is ignored without a redirect
    - a POST may stand for another method: ``?_method=PUT``, or ``X-HTTP-Method-Override: PUT``
    - HEAD is GET without a body
    - ``_fields`` and ``_envelope`` in the query change the shape of a response
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    # Not async: it returns the application's coroutine, so it costs no task switch.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            scope, send = _rewrite(scope, send)
        return self.app(scope, receive, send)


def _rewrite(scope: Scope, send: Send) -> tuple[Scope, Send]:
    path, method = scope["path"], scope["method"]
    if f"{path}/".startswith(f"{INDEX}{ROOT}/"):
        path = path.removeprefix(INDEX)
    if path in ("/", INDEX, f"{INDEX}/") and (route := dict(_query(scope)).get("rest_route")):
        path = f"{ROOT}/{route.lstrip('/')}"
        # Bytes that are not UTF-8 stay as they are, so that the route rejects them.
        pairs = _query(scope, errors="surrogateescape")
        query = [(name, value) for name, value in pairs if name != "rest_route"]
        scope = {**scope, "query_string": urlencode(query, errors="surrogateescape").encode()}
    if _CONTROL_CHARACTERS.search(path):
        # The path as it was sent. Decoded, a line feed at the end would match routes, because "$" matches
        # before it.
        path = _CONTROL_CHARACTERS.sub(lambda found: f"%{ord(found[0]):02X}", path)
    if path.startswith(f"{ROOT}/"):
        path = path.rstrip("/")
    if path.startswith(EXAMPLES_PREFIX):
        path = PREFIX + path.removeprefix(EXAMPLES_PREFIX)
    if method == "POST":
        override = dict(_query(scope)).get("_method") or Headers(scope=scope).get(
            "x-http-method-override", ""
        )
        if override.upper() in OVERRIDES:
            method = override.upper()
    if method == "HEAD":
        method, send = "GET", _without_body(send)
    if wants_shaping(scope["query_string"]) and path.startswith(ROOT):
        send = shape_response(send, scope["query_string"])
    if (path, method) != (scope["path"], scope["method"]):
        scope = {**scope, "path": path, "raw_path": path.encode(), "method": method}
    return scope, send


def _query(scope: Scope, errors: str = "replace") -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors=errors)


def _without_body(send: Send) -> Send:
    ended = False

    async def send_headers_only(message: Message) -> None:
        nonlocal ended
        if ended:
            return
        if message["type"] == "http.response.body":
            # A HEAD response has no body, so the first piece ends the stream of a long response.
            message = {"type": "http.response.body", "body": b""}
            ended = True
        await send(message)

    return send_headers_only
