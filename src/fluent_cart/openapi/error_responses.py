"""The error responses of the OpenAPI document, each once, in ``#/components/responses``."""

from collections.abc import Iterator, Mapping
from typing import Any

from fluent_cart import errors
from fluent_cart.errors import ApiError
from fluent_cart.http.error_handlers import error_body
from fluent_cart.openapi.headers import RATE_LIMIT, REQUEST_ID, HeaderTexts, headers

Described = dict[str, Any]

_RETRY_AFTER: HeaderTexts = {"Retry-After": ("integer", "Seconds to wait before the next attempt")}
_HEADERS: Mapping[int, HeaderTexts] = {
    401: {"WWW-Authenticate": ("string", "The way to authenticate")},
    409: _RETRY_AFTER,
    415: {"Accept-Encoding": ("string", "`identity` if the body has a content coding (RFC 9110, 15.5.16)")},
    429: _RETRY_AFTER | RATE_LIMIT,
    503: _RETRY_AFTER,
}


def all_error_types(of: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    """Yield each error that a response can have, in the order of ``errors.py``."""
    for error in of.__subclasses__():
        if "code" in vars(error):
            yield error
        yield from all_error_types(error)


def error_responses(possible: list[type[ApiError]], components: Described) -> Described:
    """Return the responses of an operation by status, and add their schemas to ``components``."""
    responses: Described = {}
    for status, of_status in _by_status(possible):
        name = "Or".join(error.__name__ for error in of_status)
        components.setdefault(name, _response(status, of_status))
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return responses


def _by_status(possible: list[type[ApiError]]) -> Iterator[tuple[int, list[type[ApiError]]]]:
    """Yield each status with its errors, always in the same order, so that equal sets are equal."""
    for status in sorted({error.status for error in possible}):
        yield status, [error for error in all_error_types() if error.status == status and error in possible]


def _response(status: int, possible: list[type[ApiError]]) -> Described:
    return {
        "description": "\n\n".join(f"`{error.code}`: {error.when}." for error in possible),
        "headers": headers(REQUEST_ID | _HEADERS.get(status, {})),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorResponse"},
                "examples": {error.__name__: {"value": _example(error)} for error in possible},
            }
        },
    }


def _example(error: type[ApiError]) -> Described:
    if error in (errors.CustomerNotFound, errors.AddressNotFound):
        return error_body(error(999))
    if error is errors.CustomerMerged:
        return error_body(error(999, 1))
    if error is errors.ValidationFailed:
        return error_body(error(details={"per_page": ["Input should be less than or equal to 100"]}))
    return error_body(error())


_CODES = sorted({error.code for error in all_error_types()})

ERROR_SCHEMAS: Described = {
    "ErrorResponse": {
        "title": "ErrorResponse",
        "type": "object",
        "required": ["success", "error", "code", "message", "data"],
        "additionalProperties": False,
        "properties": {
            "success": {"const": False, "description": "The request was not successful"},
            "error": {"$ref": "#/components/schemas/ErrorReason", "description": "What is wrong"},
            "code": {
                "$ref": "#/components/schemas/ErrorCode",
                "description": "The same as `error.code`, where WordPress clients look",
            },
            "message": {
                "type": "string",
                "description": "The same as `error.message`, where WordPress clients look",
            },
            "data": {
                "$ref": "#/components/schemas/ErrorStatus",
                "description": "The status, where WordPress clients look",
            },
        },
    },
    "ErrorReason": {
        "title": "ErrorReason",
        "type": "object",
        "required": ["code", "message"],
        "additionalProperties": False,
        "properties": {
            "code": {"$ref": "#/components/schemas/ErrorCode", "description": "What is wrong, for programs"},
            "message": {"type": "string", "description": "What is wrong, for people"},
            "details": {
                "type": "object",
                "description": "Messages by field. The name of a nested field has dots",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
    "ErrorCode": {
        "title": "ErrorCode",
        "type": "string",
        "description": "Code of an error. New codes may come with new versions",
        "enum": _CODES,
    },
    "ErrorStatus": {
        "title": "ErrorStatus",
        "type": "object",
        "required": ["status"],
        "additionalProperties": False,
        "properties": {
            "status": {"type": "integer", "description": "HTTP status"},
            "survivor_id": {
                "type": "integer",
                "format": "int64",
                "description": "Present only with `customer_merged`: id of the customer to use",
            },
        },
    },
}
