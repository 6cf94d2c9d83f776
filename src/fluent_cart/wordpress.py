"""Addresses and methods as WordPress clients send them -> those of the routes (decisions 1, 8)."""

from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROOT = "/wp-json"
OVERRIDES = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})


class WordPressMiddleware:
    """Rewrites a request before it is routed.

    - ``/?rest_route=/fluent-cart/v2/customers`` is the pretty path
    - a trailing slash does not matter, and costs no redirect
    - a POST may stand for another method: ``?_method=PUT``, or ``X-HTTP-Method-Override: PUT``
    - HEAD is GET without a body
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope, send = _rewrite(scope, send)
        await self.app(scope, receive, send)


def _rewrite(scope: Scope, send: Send) -> tuple[Scope, Send]:
    path, method = scope["path"], scope["method"]
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace")
    if path == "/" and (route := dict(query).get("rest_route")):
        path = f"{ROOT}/{route.lstrip('/')}"
        query = [(name, value) for name, value in query if name != "rest_route"]
        scope = {**scope, "query_string": urlencode(query).encode()}
    if path.startswith(f"{ROOT}/"):
        path = path.rstrip("/")
    if method == "POST":
        override = dict(query).get("_method") or Headers(scope=scope).get("x-http-method-override", "")
        if override.upper() in OVERRIDES:
            method = override.upper()
    if method == "HEAD":
        method, send = "GET", _without_body(send)
    if (path, method) != (scope["path"], scope["method"]):
        scope = {**scope, "path": path, "raw_path": path.encode(), "method": method}
    return scope, send


def _without_body(send: Send) -> Send:
    async def send_headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_headers_only
