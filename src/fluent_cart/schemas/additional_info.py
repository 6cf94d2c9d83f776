"""Check additional info: any JSON object within limits.

See docs/decisions.md#10-limits-of-texts.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fluent_cart.schemas.base import NO_NUL

MAX_BYTES = 64 * 1024
MAX_LEVELS = 8
TOO_DEEP = f"Must be nested at most {MAX_LEVELS} levels deep"
TOO_LARGE = "Must be at most 64 KiB of JSON"
NUL = "Must not contain the character NUL"
NOT_STORABLE = "Must contain only valid Unicode and 64-bit numbers"


def check_additional_info(info: dict[str, Any]) -> dict[str, Any]:
    """Reject additional info that is too deep or too large, or that cannot be stored as UTF-8 JSON."""
    for text in _texts(info, level=1):
        if "\0" in text:
            raise PydanticCustomError("text_nul", NUL)
    try:
        size = len(orjson.dumps(info))
    except (TypeError, orjson.JSONEncodeError):  # lone surrogates, integers over 64 bits
        raise PydanticCustomError("json_value", NOT_STORABLE) from None
    if size > MAX_BYTES:
        raise PydanticCustomError("json_size", TOO_LARGE)
    return info


def _empty_of_php(info: Any) -> Any:
    """Return an empty object for PHP's empty array, which is ``[]`` in JSON and an empty text in a form."""
    return {} if info in ([], "") else info


def _null_as_empty(info: Any) -> Any:
    return {} if info is None else info


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


# A schema that generated clients can read. A recursive type could also describe NUL and the numbers within
# values, but the usual generators for Python and TypeScript ignore such a type.
_DESCRIBED: dict[str, Any] = {
    "description": f"Any JSON but NUL, nested at most {MAX_LEVELS} levels deep and at most 64 KiB in all",
    "propertyNames": {"pattern": NO_NUL},
    "additionalProperties": True,
}
AdditionalInfo = Annotated[
    dict[str, Any],
    BeforeValidator(_empty_of_php),
    AfterValidator(check_additional_info),
    Field(json_schema_extra=_DESCRIBED),
]
# Null is accepted as one field of several. A whole body that is null is rejected, because its client sent no
# field.
AdditionalInfoField = Annotated[AdditionalInfo, BeforeValidator(_null_as_empty)]
