"""Read the body of a request, in any form that WordPress clients send, and return one JSON object.

JSON is read with or without its content type, form data may use PHP's brackets, and fields of the query are
used if the body does not have them. The services do not see the difference.

See docs/decisions.md#8-forms-of-input.
"""

from email.message import Message
from functools import lru_cache
from typing import Any

from starlette.requests import ClientDisconnect, Request

from fluent_cart.errors import PayloadTooLarge, UnreadableBody, UnsupportedMediaType
from fluent_cart.formats.php_query import parse_query
from fluent_cart.formats.strict_json import parse_json

MAX_BYTES = 1024 * 1024
MAX_FIELDS = 2_000
# Reading the parameters of a header takes time that grows with the square of its length.
MAX_CONTENT_TYPE = 256

FORM = "application/x-www-form-urlencoded"
# The content types under which curl and older clients send JSON.
UNTYPED = ("", "text/plain", "application/octet-stream")
# The content codings that clients use.
CODINGS = frozenset({"gzip", "x-gzip", "deflate", "compress", "br", "zstd"})


async def read_fields(request: Request) -> Any:
    """Return the fields in the body of ``request``: an object, unless the client sent something else."""
    headers = request.headers
    if "content-range" in headers:
        # A part of a body must not count as the whole (RFC 9110, 14.4).
        raise UnreadableBody("Send the whole request body, without Content-Range")
    return parse(
        await read_bytes(request),
        headers.get("content-type", ""),
        headers.get("content-encoding", "").lower(),
    )


async def read_bytes(request: Request, limit: int = MAX_BYTES) -> bytes:
    """Return the body. Raise ``PayloadTooLarge`` if it has more than ``limit`` bytes."""
    # A client that sends "Expect: 100-continue" waits for this response before it sends the body.
    if int(request.headers.get("content-length") or 0) > limit:
        raise _too_large()
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large()
    except ClientDisconnect:
        raise UnreadableBody from None
    return bytes(body)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(headers={"Connection": "close"})


def parse(body: bytes, content_type: str, content_encoding: str = "") -> Any:
    """Return the fields in ``body``. An empty body has no fields."""
    if not body:
        return {}
    if len(content_type) > MAX_CONTENT_TYPE:
        raise UnsupportedMediaType
    kind, charset = _media_type(content_type)
    is_json = kind == "application/json" or kind.endswith("+json")
    if not (is_json or kind == FORM or kind in UNTYPED):
        raise UnsupportedMediaType
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("The charset is not supported. Send the request body in UTF-8")
    if content_encoding not in ("", "identity"):
        raise _unsupported_coding(content_encoding)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise UnreadableBody from None
    if text.startswith("\ufeff"):
        # Read as a form, it would be a field with an unknown name, and a write would succeed without a
        # change.
        raise UnreadableBody("The request body begins with a byte order mark. Send UTF-8 without the mark")
    # curl -d sends the content type of a form, also for JSON.
    if kind == FORM and not text.lstrip().startswith(("{", "[", '"')):
        if "=" not in text and text.strip():
            # A form without any field. A write must not succeed if none of its input was read.
            raise UnreadableBody
        return parse_form(text)
    return parse_json(text)


def _unsupported_coding(coding: str) -> UnsupportedMediaType:
    # A name that the caller chose is not repeated.
    name = f"The content coding {coding}" if coding in CODINGS else "The content coding"
    text = f"{name} is not supported. Send the request body without Content-Encoding"
    # RFC 9110, 15.5.16
    return UnsupportedMediaType(text, headers={"Accept-Encoding": "identity"})


# Cached, because there are few different headers, and reading one takes longer than reading most bodies.
@lru_cache
def _media_type(content_type: str) -> tuple[str, str]:
    """Return the type and the charset of a header."""
    header = Message()
    header["content-type"] = content_type
    # Message reads an empty header as text/plain, which is read as JSON anyway.
    kind = header.get_content_type() if content_type else ""
    return kind, str(header.get_param("charset", "utf-8")).lower()


def parse_form(text: str) -> dict[str, Any]:
    """Return the fields of form data, with PHP's brackets read as lists and objects."""
    try:
        return parse_query(text, errors="strict", max_fields=MAX_FIELDS)
    except ValueError:
        raise UnreadableBody from None
