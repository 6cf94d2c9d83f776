"""The OpenAPI document: what FastAPI derives from the routes, with errors and the contract's examples."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

from fastapi import FastAPI

from fluent_cart import errors
from fluent_cart.errors import ApiError
from fluent_cart.http.error_handlers import error_body
from fluent_cart.openapi.code_samples import code_samples
from fluent_cart.openapi.fields import describe_fields
from fluent_cart.openapi.forms import form
from fluent_cart.openapi.headers import describe_headers, errors_by_headers, headers
from fluent_cart.openapi.introduction import LICENSE as LICENSE
from fluent_cart.openapi.introduction import SERVERS as SERVERS
from fluent_cart.openapi.introduction import SUMMARY as SUMMARY
from fluent_cart.openapi.introduction import TAGS as TAGS
from fluent_cart.openapi.introduction import TITLE as TITLE
from fluent_cart.openapi.introduction import describe as describe
from fluent_cart.openapi.security import FRESH_NONCE, SESSION_SCHEMES
from fluent_cart.schemas.base import MAX_ID

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

_JSON = "application/json"
_OWN_ERRORS = "x-errors"


def documented(*own: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """Return ``responses`` for a route that can give these errors, besides those of every route."""
    # By name: FastAPI copies what it is given here as JSON.
    return {
        error.status: {_OWN_ERRORS: [each.__name__ for each in own if each.status == error.status]}
        for error in own
    }


def file_response() -> dict[int | str, dict[str, Any]]:
    """Return ``responses`` for a route that answers with a file of a format that the caller chooses."""
    kinds = ("text/csv", "application/x-ndjson")
    content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    return {200: {"content": content, "headers": headers(_FILE)}}


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` return the completed document, built once."""
    derive = app.openapi

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(derive())
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    document = _with_readable_names(document)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas.update(deepcopy(_ERROR_SCHEMAS))
    describe_fields(schemas)
    document["components"]["securitySchemes"] |= SESSION_SCHEMES
    examples = json.loads((files(__package__) / "examples.json").read_text("utf-8"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            example = examples[operation["operationId"]]
            _describe(method, operation, example, schemas)
            operation["x-codeSamples"] = code_samples(method, path, example)
    _make_exact(document)
    return document


def _make_exact(value: Any) -> None:
    """Make bounds whole numbers again: FastAPI reads them as floats, of which the largest is too large."""
    if isinstance(value, dict):
        for name in ("minimum", "maximum"):
            if isinstance(value.get(name), float):
                value[name] = min(int(value[name]), MAX_ID)
        value = value.values()
    for member in value if isinstance(value, (list, type({}.values()))) else ():
        _make_exact(member)


def _with_readable_names(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with ``Envelope[CustomerDetailData]`` named ``CustomerDetailResponse``.

    Generated clients name their types after keys and titles.
    """
    named = re.sub(r'Envelope[_[](\w+?)(?:Data|Result)?[_\]]"', r'\1Response"', json.dumps(document))
    renamed: dict[str, Any] = json.loads(named)
    return renamed


def _describe(
    method: str, operation: dict[str, Any], example: Mapping[str, Any], schemas: Mapping[str, Any]
) -> None:
    responses = operation["responses"]
    own = [getattr(errors, name) for response in responses.values() for name in response.get(_OWN_ERRORS, [])]
    has_body = "requestBody" in operation
    by_headers = errors_by_headers(method, has_body=has_body)
    # A query that is not UTF-8 is 400 on every route; the other two need a body.
    possible = [*ALWAYS, *(WITH_BODY if has_body else (errors.UnreadableBody,)), *by_headers, *own]
    if method != "get":
        possible.append(errors.CrossSiteRequest)
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
    for kind, content in responses["200"]["content"].items():
        content["example"] = example["response"] if kind == _JSON else example["response"][kind]
    if has_body:
        _describe_body(operation["requestBody"], example["request"], schemas)
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "filters":
            # An empty example: "Try it out" would otherwise send made-up values for every filter.
            parameter |= {"style": "deepObject", "explode": True, "example": {}}
            parameter["schema"].pop("default", None)
        elif parameter["in"] == "path":
            # The contract's customer, so that "Try it out" needs no typing.
            parameter["example"] = 1


def _describe_body(body: dict[str, Any], example: Any, schemas: Mapping[str, Any]) -> None:
    content = body["content"]
    schema = content["application/json"]["schema"]
    content["application/json"]["example"] = example
    content["application/x-www-form-urlencoded"] = form(schema, schemas)
    # An empty body has no fields, which is enough where none is required.
    reference = schema.get("$ref", "").rpartition("/")[2]
    body["required"] = bool(schemas.get(reference, schema).get("required"))


def _by_status(possible: list[type[ApiError]]) -> Iterator[tuple[int, list[type[ApiError]]]]:
    for status in sorted({error.status for error in possible}):
        yield status, [error for error in possible if error.status == status]


def _error_response(possible: list[type[ApiError]]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "\n\n".join(f"`{error.code}`: {error.when}." for error in possible),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorResponse"},
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
        return error_body(error(999))
    if error is errors.ValidationFailed:
        return error_body(error(details={"per_page": ["Input should be less than or equal to 100"]}))
    return error_body(error())


_FILE = {"Content-Disposition": "That it is a file to be saved, and its name"}
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

_ERROR_SCHEMAS: dict[str, Any] = {
    "ErrorResponse": {
        "title": "ErrorResponse",
        "type": "object",
        "required": ["success", "error", "code", "message", "data"],
        "additionalProperties": False,
        "properties": {
            "success": {"const": False, "type": "boolean"},
            "error": {"$ref": "#/components/schemas/ErrorReason"},
            "code": {
                "type": "string",
                "description": "The same as `error.code`, where WordPress clients look",
            },
            "message": {"type": "string", "description": "The same as `error.message`"},
            "data": {"$ref": "#/components/schemas/ErrorStatus"},
        },
    },
    "ErrorReason": {
        "title": "ErrorReason",
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
    "ErrorStatus": {
        "title": "ErrorStatus",
        "type": "object",
        "required": ["status"],
        "additionalProperties": False,
        "properties": {"status": {"type": "integer", "description": "The HTTP status"}},
    },
}
