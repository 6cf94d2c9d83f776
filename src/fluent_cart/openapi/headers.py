"""Headers that any client may leave out: idempotency keys and conditions (decisions 27, 28)."""

from collections.abc import Mapping
from typing import Any

from fluent_cart import errors
from fluent_cart.errors import ApiError

_IDEMPOTENCY_KEY = """\
A text of your own for this one request, such as a UUID. If the request is sent again with the same key, it is
not done again: for 24 hours its first answer is repeated, byte for byte, with `Idempotency-Replayed: true`.
The same key of another user, or at another path, is another key.

An answer is kept if the operation was carried out, or refused with `invalid_email` or `invalid_user` because
of what is stored; after any other error the request can be sent again as if for the first time.
"""
_TAGS = "Tags are what `ETag` was, with their quotes; several with commas between, or `*` for any."
_IF_MATCH = f"Go on only if Get Customer Details would answer with one of these tags now, else 412. {_TAGS}"
_IF_NONE_MATCH = (
    "Go on only if Get Customer Details would answer with none of these tags now, else {}. " + _TAGS
)
_REPLAYED = {"Idempotency-Replayed": "`true` if this is the answer to an earlier request with the same key"}
_ETAG = {"ETag": "The state of the customer, as Get Customer Details shows it"}
_NEW_ETAG = {"ETag": "The new state of the customer, if the request had a condition"}


def errors_by_headers(method: str, *, has_body: bool) -> list[type[ApiError]]:
    """Return the errors that an operation can give because of headers that its method takes."""
    if method != "post":
        return []
    # Without a body there is no other input to send with the same key.
    return [errors.IdempotencyKeyInUse, *([errors.IdempotencyKeyReused] if has_body else [])]


def describe_headers(method: str, operation: dict[str, Any], possible: list[type[ApiError]]) -> None:
    """Add the headers to an operation; which it takes, its ``possible`` errors tell."""
    parameters, responses = operation.setdefault("parameters", []), operation["responses"]
    if errors.IdempotencyKeyInUse in possible:
        limits = {"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        parameters.append(_parameter("Idempotency-Key", _IDEMPOTENCY_KEY, limits))
        responses["200"]["headers"] = headers(_REPLAYED)
    if errors.PreconditionFailed in possible:
        status = 304 if method == "get" else 412
        parameters.append(_parameter("If-Match", _IF_MATCH))
        parameters.append(_parameter("If-None-Match", _IF_NONE_MATCH.format(status)))
        responses["200"]["headers"] = headers(_ETAG if method == "get" else _NEW_ETAG)
        if status == 304:
            text = "The customer is as it was when it had a tag that `If-None-Match` names; no body"
            responses["304"] = {"description": text, "headers": headers(_ETAG)}


def headers(texts: Mapping[str, str]) -> dict[str, Any]:
    """Describe headers of a response, by their names."""
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in texts.items()}


def _parameter(name: str, text: str, limits: Mapping[str, Any] | None = None) -> dict[str, Any]:
    schema = {"type": "string", **(limits or {})}
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
