"""Repeat the response of a POST that is sent again with the same Idempotency-Key.

See docs/decisions.md#27-idempotency-keys.
"""

import re
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from fluent_cart.database.transaction import savepoint
from fluent_cart.errors import InvalidEmail, InvalidUser, ValidationFailed
from fluent_cart.http.dependencies import RunUnit
from fluent_cart.http.error_handlers import error_response
from fluent_cart.http.responses import ReadResponse
from fluent_cart.services import idempotency_keys
from fluent_cart.services.idempotency_keys import Answer, Attempt

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
# Errors of the operation itself, which are stored as its response. Other errors come before the operation
# (docs/decisions.md#5-order-of-checks), or are temporary.
REFUSALS = (InvalidEmail, InvalidUser)
_KEY = re.compile(b"[ -~]{1,255}")


def read_key(request: Request) -> str | None:
    """Return the key of a request, if any. Raise ``ValidationFailed`` if it is malformed."""
    keys = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise ValidationFailed(details={HEADER: ["Must be one text of 1 to 255 printable ASCII characters"]})
    return str(keys[0], "ascii")


def fingerprint(request: Request, user_id: int, key: str, values: dict[str, Any]) -> Attempt:
    """Return a fingerprint of the request. ``values`` is its input after checks, with defaults."""
    given = orjson.dumps(values, default=_model, option=orjson.OPT_SORT_KEYS)
    fingerprint = blake2b(given, digest_size=16).hexdigest()
    return Attempt(user_id, f"{request.method} {request.scope['path']}", key, fingerprint)


def _model(value: BaseModel) -> Any:
    return value.model_dump(mode="json")


async def execute_once(
    write: RunUnit, attempt: Attempt, handler: Callable[[Connection], Response]
) -> Response:
    """Run ``handler`` and store its response in its transaction, or return the stored response."""
    answer = await write(idempotency_keys.execute_once, attempt, partial(_act, handler))
    headers = REPLAYED if answer.replayed else None
    return Response(answer.body, answer.status, headers, media_type="application/json")


def _act(handler: Callable[[Connection], Response], connection: Connection) -> Answer:
    try:
        with savepoint(connection):
            response = handler(connection)
    except REFUSALS as error:
        response = error_response(error)
    is_stored = not isinstance(response, ReadResponse)
    return Answer(response.status_code, bytes(response.body), is_stored=is_stored)
