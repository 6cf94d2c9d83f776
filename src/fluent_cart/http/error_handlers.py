"""Return exceptions in the error envelope. Only this module knows its shape.

See docs/decisions.md#4-error-responses.
"""

import logging
from itertools import islice
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from fluent_cart.database.scan_queue import ClientGone
from fluent_cart.errors import (
    ApiError,
    InternalError,
    MethodNotAllowed,
    RouteNotFound,
    ServiceUnavailable,
    ValidationFailed,
)
from fluent_cart.observability import security_log
from fluent_cart.observability.unavailable_log import log_unavailable
from fluent_cart.schemas.error_messages import to_validation_error

logger = logging.getLogger(__name__)

MAX_ERRORS_IN_MESSAGE = 3
CLIENT_GONE = 499


def add_handlers(app: FastAPI) -> None:
    """Register the handlers that return every error of ``app`` in the envelope."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(ClientGone, _on_client_gone)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def error_body(error: ApiError) -> dict[str, Any]:
    """Return the envelope of an error. WordPress clients read its last three members."""
    return {
        "success": False,
        "error": error.reason,
        "code": error.code,
        "message": _summary(error),
        "data": {"status": error.status, **error.data},
    }


def _summary(error: ApiError) -> str:
    """Return the message for clients that show nothing else: the first errors are in it."""
    details = error.details or {}
    errors = [f"{field}: {texts[0]}" for field, texts in islice(details.items(), MAX_ERRORS_IN_MESSAGE)]
    left = len(details) - len(errors)
    return ". ".join([error.message, *errors, *([f"And {left} more"] if left else [])])


def error_response(error: ApiError) -> Response:
    """Return an error as a response."""
    return Response(
        orjson.dumps(error_body(error)), error.status, error.headers, media_type="application/json"
    )


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  # registered for nothing else
    security_log.log_denied(request.scope, error)
    if isinstance(error, ServiceUnavailable):
        log_unavailable(error)
    return error_response(error)


async def _on_client_gone(_request: Request, _error: Exception) -> Response:
    # The status that nginx logs for such a request. The server has no error, and nothing is sent.
    return Response(status_code=CLIENT_GONE)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for nothing else
    # The first part of a location is where the field was: path, query or body.
    return error_response(to_validation_error(error.errors(), skip=1))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    if error.status_code == 404:
        return error_response(RouteNotFound())
    if error.status_code == 405:
        return error_response(MethodNotAllowed(headers={"Allow": _allowed_methods(request)}))
    # FastAPI's own error about a body is the only other one.
    return error_response(ValidationFailed())


def _allowed_methods(request: Request) -> str:
    """Return the methods of every route with this path. Starlette returns those of one route only."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.scope["path"]):
            methods |= route.methods or set()
    # A mounted folder of files has no methods.
    methods = methods or {"GET"}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def internal_error_response(error: Exception, request_id: str) -> Response:
    """Log an unexpected error, and return a response that contains only the id of the request."""
    # The traceback shows where it failed. Values in messages of databases are removed where they are raised
    # (constraints).
    logger.error("Unexpected error in request %s", request_id, exc_info=error)
    return error_response(InternalError(f"{InternalError.text}. Request ID: {request_id}"))
