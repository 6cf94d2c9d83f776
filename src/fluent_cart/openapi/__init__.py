"""The OpenAPI document: what FastAPI derives from the routes, with errors and the contract's examples."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from fastapi import FastAPI

from fluent_cart import errors
from fluent_cart.errors import ApiError
from fluent_cart.handlers import error_content
from fluent_cart.openapi.headers import describe_headers, errors_by_headers, headers
from fluent_cart.openapi.security import FRESH_NONCE, SESSION_SCHEMES

TITLE = "FluentCart Customers API"
DESCRIPTION = """\
Customers of a FluentCart shop: their addresses, orders and stats, the WordPress users attached to them,
and bulk actions.

- **Authentication** is HTTP Basic: a login name (or e-mail address) and one of that user's application
  passwords. Or it is a cookie, as in WordPress: [sign in](/wp-login.php) with the login password,
  [get a nonce](/wp-admin/admin-ajax.php?action=rest-nonce), and send it along as `X-WP-Nonce`. A cookie
  without a nonce counts as none.
- **Success** is always 200, with `{"success": true, "data": {...}}`.
- **Errors** are `{"success": false, "error": {"code": "...", "message": "..."}}`; a `validation_error` has
  `error.details`, a list of texts for each field.
- **Input** is JSON, form data or the query, the same fields in each.
- **Retries**: with an `Idempotency-Key`, a POST that is sent again is done once and answered as before.
- **Lost updates**: Get Customer Details answers with an `ETag`; a PUT with that tag in `If-Match` changes the
  customer only if nobody else has since.
- **Times** are UTC, **money** is in cents.
- **Limits**: each user has a bucket of requests that fills up evenly; `X-RateLimit-Limit` tells its size,
  `X-RateLimit-Remaining` what is left in it, `X-RateLimit-Reset` in how many seconds it is full. After too
  many requests or wrong passwords the answer is 429, and tells in `Retry-After` how many seconds to wait.
"""
TAGS = [
    {"name": "Customers", "description": "List, create, read and update customers."},
    {"name": "Stats", "description": "What a customer spent, on how many orders, and when."},
    {"name": "Orders", "description": "The orders of a customer."},
    {"name": "Addresses", "description": "The addresses of a customer, exactly one of which is primary."},
    {"name": "User attachment", "description": "The WordPress user that a customer is attached to."},
    {"name": "Bulk actions", "description": "One action on many customers."},
]

# The errors of every operation, and those of every operation with input or with a body.
ALWAYS: tuple[type[ApiError], ...] = (
    errors.AuthenticationRequired,
    errors.AuthenticationFailed,
    errors.InsufficientPermissions,
    errors.InvalidNonce,
    errors.TooManyRequests,
    errors.TooManyAttempts,
    errors.InternalError,
    errors.ServiceUnavailable,
)
WITH_BODY: tuple[type[ApiError], ...] = (
    errors.UnreadableBody,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
)

_OWN_ERRORS = "x-errors"


def documented(*own: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """Return ``responses`` for a route that can give these errors, besides those of every route."""
    # By name: FastAPI copies what it is given here as JSON.
    return {
        error.status: {_OWN_ERRORS: [each.__name__ for each in own if each.status == error.status]}
        for error in own
    }


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` return the completed document, built once."""
    derive = app.openapi

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(derive())
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Error"] = _ERROR_SCHEMA
    document["components"]["securitySchemes"] |= SESSION_SCHEMES
    examples = json.loads((files(__package__) / "examples.json").read_text("utf-8"))
    for path in document["paths"].values():
        for method, operation in path.items():
            _describe(method, operation, examples[operation["operationId"]])
    return document


def _describe(method: str, operation: dict[str, Any], example: Mapping[str, Any]) -> None:
    responses = operation["responses"]
    own = [getattr(errors, name) for response in responses.values() for name in response.get(_OWN_ERRORS, [])]
    has_body = "requestBody" in operation
    by_headers = errors_by_headers(method, has_body=has_body)
    possible = [*ALWAYS, *(WITH_BODY if has_body else ()), *by_headers, *own]
    if has_body or operation.get("parameters"):
        possible.append(errors.ValidationFailed)
    for status in [status for status in responses if status != "200"]:
        del responses[status]
    describe_headers(method, operation, possible)
    for status, of_status in _by_status(possible):
        responses[str(status)] = _error_response(of_status)
    responses["200"]["description"] = "Success"
    responses["200"].setdefault("headers", {}).update(headers(_RATE_LIMIT | FRESH_NONCE))
    # Either the password, which FastAPI has found already, or both of these.
    operation["security"].append({name: [] for name in SESSION_SCHEMES})
    responses["200"]["content"]["application/json"]["example"] = example["response"]
    if has_body:
        _describe_body(operation["requestBody"]["content"], example["request"])
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "filters":
            # An empty example: "Try it out" would otherwise send made-up values for every filter.
            parameter |= {"style": "deepObject", "explode": True, "example": {}}
            parameter["schema"].pop("default", None)


def _describe_body(content: dict[str, Any], example: Any) -> None:
    content["application/json"]["example"] = example
    content["application/x-www-form-urlencoded"] = {"schema": content["application/json"]["schema"]}


def _by_status(possible: list[type[ApiError]]) -> Iterator[tuple[int, list[type[ApiError]]]]:
    for status in sorted({error.status for error in possible}):
        yield status, [error for error in possible if error.status == status]


def _error_response(possible: list[type[ApiError]]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; ".join(f"`{error.code}`: {error.text}" for error in possible),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {error.__name__: {"value": _example(error)} for error in possible},
            }
        },
    }
    status = possible[0].status
    if texts := _HEADERS.get(status):
        response["headers"] = headers(texts)
    return response


def _example(error: type[ApiError]) -> dict[str, Any]:
    if error in (errors.CustomerNotFound, errors.AddressNotFound):
        return error_content(error(999))
    if error is errors.ValidationFailed:
        return error_content(error(details={"per_page": ["Input should be less than or equal to 100"]}))
    return error_content(error())


_RATE_LIMIT = {
    "X-RateLimit-Limit": "How many requests the user's bucket holds",
    "X-RateLimit-Remaining": "How many requests are left in it",
    "X-RateLimit-Reset": "Seconds until it is full again",
}
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "The way to authenticate"},
    409: {"Retry-After": "Seconds to wait"},
    429: {"Retry-After": "Seconds to wait", **_RATE_LIMIT},
    503: {"Retry-After": "Seconds to wait"},
}

_ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["success", "error", "code", "message", "data"],
    "additionalProperties": False,
    "properties": {
        "success": {"const": False, "type": "boolean"},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {
                    "type": "object",
                    "description": "Texts by field; a nested field has a dotted name",
                    "additionalProperties": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "code": {"type": "string", "description": "The same as `error.code`, where WordPress clients look"},
        "message": {"type": "string", "description": "The same as `error.message`"},
        "data": {
            "type": "object",
            "required": ["status"],
            "additionalProperties": False,
            "properties": {"status": {"type": "integer", "description": "The HTTP status"}},
        },
    },
}
