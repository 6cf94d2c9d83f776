"""Add an id to every request, common headers to every response, and a response to every unexpected error.

The result of a request is recorded here, once, for the metrics and for the server's log.
"""

import random
import re
from time import perf_counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fluent_cart.http.error_handlers import internal_error_response
from fluent_cart.observability.request_context import request_context
from fluent_cart.observability.request_events import RequestEventBuffer

HEADER = "X-Request-Id"
ALWAYS = ((b"x-content-type-options", b"nosniff"),)
# Caches must not store personal data.
NO_CACHE = (b"cache-control", b"no-store, private")
# Ids are unique, not secret. The system's own random numbers would cost a system call for each request, in
# which the writer thread could take the interpreter.
_random = random.Random()  # noqa: S311
# The route template of requests without a route, so that strangers cannot add label values.
NO_ROUTE = "none"
# A value with one of these characters would end the header, so uvicorn does not send it.
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class InvalidHeader(Exception):
    """A header of a response has a control character in its value."""


class RequestIdMiddleware:
    """Uses the caller's request id if it is harmless, or a new one, and returns it in a header.

    This middleware also logs errors that nothing else has handled, once, under the request's id.
    """

    def __init__(self, app: ASGIApp, report: RequestEventBuffer | None = None) -> None:
        self.app = app
        self._report = report or RequestEventBuffer()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        self._report.in_progress += 1
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else f"{_random.getrandbits(128):032x}"
        context = request_context(scope)
        context.request_id = request_id
        status = size = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                headers = message["headers"]
                headers += (
                    (b"x-request-id", request_id.encode()),
                    *ALWAYS,
                    *context.allow,
                    *context.response_headers,
                )
                if all(name != b"cache-control" for name, _ in headers):
                    headers.append(NO_CACHE)
                if _UNSENDABLE.search(b"".join([value for _, value in headers])):
                    # The response has not started, so this error can still be sent.
                    raise InvalidHeader
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            response = internal_error_response(error, request_id)
            if status:
                raise
            await response(scope, receive, send_with_headers)
        finally:
            seconds = perf_counter() - began
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            self._report.record(context, route, scope["method"], status, size, seconds)
