"""Change the shape of a response with ``_fields`` and ``_envelope``.

See docs/decisions.md#72-response-shape.
"""

import re
from typing import Any

import orjson
from starlette.types import Message, Send

from fluent_cart.formats.php_query import parse_query
from fluent_cart.wordpress.exposed_headers import Headers, canonical_names

# The selected members of an object by name: the whole member (None), or a selection of its members.
Fields = dict[str, "Fields | None"]

MAX_LEVELS = 16


def wants_shaping(query: bytes) -> bool:
    """Return whether a query can select a shape. Other requests cost no more than this check."""
    return b"_fields" in query or b"_envelope" in query


def shape_response(send: Send, query: bytes) -> Send:
    """Return a ``send`` that shapes JSON responses by ``query``, and passes others unchanged."""
    sent = parse_query(query.decode("latin-1"))
    fields, enveloped = read_fields(sent.get("_fields")), "_envelope" in sent
    start: Message | None = None
    body = bytearray()

    async def send_shaped(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and _is_json(message["headers"]):
            start = message
        elif start is None:
            await send(message)
        else:
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                for part in _shape(start, bytes(body), fields, enveloped=enveloped):
                    await send(part)

    return send_shaped


def read_fields(value: Any) -> Fields:
    """Return the names in ``_fields``: a text with commas or blanks, or a list. Dots lead into members."""
    texts = value if isinstance(value, list) else [value]
    named = " ".join(text for text in texts if isinstance(text, str))
    fields: Fields = {}
    for name in filter(None, re.split(r"[\s,]+", named)):
        *parents, last = name.split(".", MAX_LEVELS)
        wanted: Fields | None = fields
        for parent in parents:
            if wanted is not None:
                wanted = wanted.setdefault(parent, {})
        if wanted is not None:
            wanted[last] = None
    return fields


def select(content: Any, fields: Fields) -> Any:
    """Return the selected ``fields`` of a response's record, or of each of its records.

    The rest of the envelope stays: ``success``, ``message``, ``pagination``. Names may also begin at the
    envelope: ``data.customers.id`` is ``id``. A response without an envelope is the record itself.
    """
    if not isinstance(content, dict) or content.get("success") is not True:
        return _of(content, fields)
    data = content.get("data")
    if not isinstance(data, dict):
        return content
    records = [name for name in data if name != "pagination"]
    wanted = _within(fields, "data")
    if len(records) == 1:
        [name] = records
        data = {**data, name: _of(data[name], _within(wanted, name))}
    else:
        # The response to a bulk action is a record itself.
        data = _of(data, wanted)
    # The copy at the top, for the plugin's clients, gets the same selection.
    again = {name: data[name] for name in content if name in data and name != "data"}
    return {**content, "data": data, **again}


def _within(fields: Fields | None, name: str) -> Fields | None:
    """Return the ``fields`` below ``name``, or all of them if ``name`` itself is selected."""
    if fields is None or name not in fields:
        return fields
    inner = fields[name]
    return None if inner is None else fields | inner


def _of(value: Any, fields: Fields | None) -> Any:
    """Return the ``fields`` of a record, or of each record in a list. None selects all."""
    if fields is None:
        return value
    if isinstance(value, list):
        return [_of(member, fields) for member in value]
    if not isinstance(value, dict):
        return value
    return {name: _of(member, fields[name]) for name, member in value.items() if name in fields}


def _is_json(headers: Headers) -> bool:
    return any(name == b"content-type" and value.startswith(b"application/json") for name, value in headers)


def _shape(start: Message, body: bytes, fields: Fields, *, enveloped: bool) -> tuple[Message, Message]:
    """Return a whole response, its two ASGI messages, in another shape. Errors keep all their members."""
    content, status, headers = orjson.loads(body), start["status"], start["headers"]
    if fields and status < 400:
        content = select(content, fields)
    if enveloped:
        content = {"body": content, "status": status, "headers": canonical_names(headers)}
        status = 200
    body = orjson.dumps(content)
    headers = [header for header in headers if header[0] != b"content-length"]
    headers.append((b"content-length", b"%d" % len(body)))
    return (
        {**start, "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )
