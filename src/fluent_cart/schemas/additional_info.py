"""What may be stored as additional info: any JSON object within limits (decision 10)."""

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_BYTES = 64 * 1024
MAX_LEVELS = 8
TOO_DEEP = f"Must be nested at most {MAX_LEVELS} levels deep"
TOO_LARGE = "Must be at most 64 KiB of JSON"


def check_additional_info(info: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is too deep or too large, and what cannot be stored as UTF-8 JSON."""
    for text in _texts(info, level=1):
        if "\0" in text:
            raise PydanticCustomError("text_nul", "Must not contain the character NUL")
    try:
        size = len(orjson.dumps(info))
    except (TypeError, orjson.JSONEncodeError):  # lone surrogates, integers over 64 bits
        raise PydanticCustomError(
            "json_value", "Must contain only valid Unicode and 64-bit numbers"
        ) from None
    if size > MAX_BYTES:
        raise PydanticCustomError("json_size", TOO_LARGE)
    return info


def _texts(value: Any, level: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        if level > MAX_LEVELS:
            raise PydanticCustomError("json_depth", TOO_DEEP)
        if isinstance(value, dict):
            yield from value
            value = value.values()
        for member in value:
            yield from _texts(member, level + 1)


# The same in the words of JSON Schema, which has none for depth and size; the document gets it from here.
_TEXT = {"type": "string", "pattern": r"^[^\u0000]*$"}
_MEMBERS = {
    "propertyNames": {"pattern": _TEXT["pattern"]},
    "additionalProperties": {"$ref": "#/components/schemas/JsonValue"},
}
SCHEMAS: dict[str, Any] = {
    "JsonValue": {
        "title": "JsonValue",
        "description": f"Any JSON but NUL, nested at most {MAX_LEVELS} levels deep and at most 64 KiB in all",
        "anyOf": [
            {"type": ["null", "boolean"]},
            {"type": "number", "minimum": -(2**63), "maximum": 2**64 - 1},
            _TEXT,
            {"type": "array", "items": _MEMBERS["additionalProperties"]},
            {"type": "object", **_MEMBERS},
        ],
    }
}
AdditionalInfo = Annotated[
    dict[str, Any], AfterValidator(check_additional_info), Field(json_schema_extra=dict(_MEMBERS))
]
