"""The headers of requests and responses. Each request header is optional.

See docs/decisions.md#27-idempotency-keys and #28-etags.
"""

from collections.abc import Mapping
from typing import Any

from fluent_cart import errors
from fluent_cart.errors import ApiError

_IDEMPOTENCY_KEY = """\
A text of your own for this one request, such as a UUID. If the request is sent again with the same key, it is
not done again: for 24 hours its first answer is repeated, byte for byte, with `Idempotency-Replayed: true`.
The same key of another user, or at another path, is another key.

An answer is kept if the operation was carried out, or refused with `invalid_email` or `invalid_user` because
of what is stored. After any other error the request can be sent again as if for the first time.
"""
_TAGS = "Tags are values of `ETag` with their quotes: one, several with commas between them, or `*` for any."
_IF_MATCH = f"Continue only if Get Customer Details would now return one of these tags, else 412. {_TAGS}"
_IF_NONE_MATCH = "Continue only if Get Customer Details would now return none of these tags, else {}." + _TAGS
# The name of a header, its type and its description.
HeaderTexts = dict[str, tuple[str, str]]

REQUEST_ID: HeaderTexts = {"X-Request-Id": ("string", "Id of the request in the log of the server")}
RATE_LIMIT: HeaderTexts = {
    "X-RateLimit-Limit": ("integer", "Number of requests that the user may send at once"),
    "X-RateLimit-Remaining": ("integer", "Number of requests that the user may still send now"),
    "X-RateLimit-Reset": ("integer", "Seconds until the user may send the full number again"),
}
PAGE: HeaderTexts = {
    "X-WP-Total": ("integer", "Number of all matching items, on all pages"),
    "X-WP-TotalPages": ("integer", "Number of pages"),
    "Link": ("string", "URLs of the next and the previous page (RFC 8288)"),
}
FILE: HeaderTexts = {"Content-Disposition": ("string", "Name of the file, for saving")}
_REPLAYED: HeaderTexts = {
    "Idempotency-Replayed": (
        "string",
        "`true` for the response to an earlier request with the same key",
    )
}
_ETAG: HeaderTexts = {"ETag": ("string", "State of the customer, as Get Customer Details returns it")}
_NEW_ETAG: HeaderTexts = {"ETag": ("string", "New state of the customer, if the request had a condition")}


def errors_by_headers(method: str, *, has_body: bool) -> list[type[ApiError]]:
    """Return the errors that an operation can return because of the headers of its method."""
    if method != "post":
        return []
    # Without a body, there is no other input that could be sent with the same key.
    return [errors.IdempotencyKeyInUse, *([errors.IdempotencyKeyReused] if has_body else [])]


def describe_conditions(method: str, operation: dict[str, Any], possible: list[type[ApiError]]) -> None:
    """Add idempotency keys and conditions to an operation whose ``possible`` errors include theirs."""
    parameters, responses = operation.setdefault("parameters", []), operation["responses"]
    success = responses["200"]["headers"]
    if errors.IdempotencyKeyInUse in possible:
        limits = {"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        # Without an example, because clients would send it as it is, and each request needs a new key.
        parameters.append(_parameter("Idempotency-Key", _IDEMPOTENCY_KEY, limits))
        success |= headers(_REPLAYED)
    if errors.PreconditionFailed in possible:
        status = 304 if method == "get" else 412
        parameters.append(_parameter("If-Match", _IF_MATCH, example="*"))
        parameters.append(_parameter("If-None-Match", _IF_NONE_MATCH.format(status), example='"0"'))
        success |= headers(_ETAG if method == "get" else _NEW_ETAG)
        if status == 304:
            text = "The customer still has a tag that `If-None-Match` contains. The response has no body"
            responses["304"] = {"description": text, "headers": headers(REQUEST_ID | _ETAG)}


def headers(texts: HeaderTexts) -> dict[str, Any]:
    """Describe headers of a response by their names."""
    return {name: {"description": text, "schema": {"type": kind}} for name, (kind, text) in texts.items()}


def _parameter(
    name: str, text: str, limits: Mapping[str, Any] | None = None, *, example: str | None = None
) -> dict[str, Any]:
    schema = {"type": "string", **(limits or {})}
    described = {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
    return described if example is None else described | {"example": example}
