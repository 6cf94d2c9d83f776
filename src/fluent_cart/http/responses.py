"""Build the response of a successful operation, in the documented envelope.

See docs/decisions.md#2-success-responses.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response


class ReadResponse(Response):
    """The response of a POST that only reads, which is not stored for its idempotency key."""


def post_envelope(only_reads: bool, /, **data: Any) -> Response:
    """Return a response as ``envelope`` does. ``only_reads`` marks a POST that changed nothing."""
    response = envelope(**data)
    return ReadResponse(response.body, media_type="application/json") if only_reads else response


def envelope(headers: Mapping[str, str] | None = None, /, **data: Any) -> Response:
    """Return the response ``{"success": true, "data": {...}}``, serialised once."""
    return _json({"success": True, "data": data}, headers)


def message(text: str) -> Response:
    """Return the response ``{"success": true, "message": "..."}``."""
    return _json({"success": True, "message": text})


def message_with(text: str, /, **data: Any) -> Response:
    """Return a response whose data is also at the top, where the plugin's clients look for it."""
    return _json({"success": True, "data": data, "message": text, **data})


def envelope_and_top(**data: Any) -> Response:
    """Return the same without a message."""
    return _json({"success": True, "data": data, **data})


def json_response(content: Mapping[str, Any]) -> Response:
    """Return a response of WordPress's own API, which has no envelope."""
    return _json(content)


def _json(content: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), headers=headers, media_type="application/json")
