"""``_fields`` and ``_envelope``: an answer in the shape that its caller asks for.

See docs/decisions.md#72-response-shape.
"""

import re
from typing import Any

import orjson
from starlette.types import Message, Send

from fluent_cart.formats.php_query import parse_query
from fluent_cart.wordpress.exposed_headers import Headers, canonical_names

# What is wanted of an object, by name: of a member all of it (None), or in turn some of it.
Fields = dict[str, "Fields | None"]

MAX_LEVELS = 16


def wants_shaping(query: bytes) -> bool:
    """Return whether a query can ask for a shape; this is all that others pay for it."""
    return b"_fields" in query or b"_envelope" in query


def shape_response(send: Send, query: bytes) -> Send:
    """Return a ``send`` that shapes answers in JSON as ``query`` says; others pass as they are."""
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
    """Return what ``_fields`` names: a text with commas or blanks in it, or a list; dots lead inward."""
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
    """Return what ``fields`` names of an answer's record, or of each of its records.

    Of the envelope all else stays: ``success``, ``message``, ``pagination``. Names may begin at the envelope,
    too: ``data.customers.id`` is ``id``. An answer that is in no envelope is the record.
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
        # The answer to a bulk action is a record itself.
        data = _of(data, wanted)
    # What the plugin's clients find at the top is the same as below.
    again = {name: data[name] for name in content if name in data and name != "data"}
    return {**content, "data": data, **again}


def _within(fields: Fields | None, name: str) -> Fields | None:
    """Return ``fields`` and those below ``name``; all of them if ``name`` itself is named."""
    if fields is None or name not in fields:
        return fields
    inner = fields[name]
    return None if inner is None else fields | inner


def _of(value: Any, fields: Fields | None) -> Any:
    """Return what ``fields`` names of a record, or of each in a list; None names all of it."""
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
    """Return a whole answer, its two messages, in another shape; errors keep all their members."""
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
