"""Reads PHP's serialised values: null, booleans, numbers, texts and arrays; objects are refused.

No library that is looked after does it, and what WordPress stores of a user needs no more.
"""

import re
from typing import Any

MAX_LEVELS = 32
_SCALAR = re.compile(rb"N;|b:([01]);|i:([+-]?\d{1,19});|d:([^;]{1,40});|s:(\d{1,10}):\"|a:(\d{1,10}):\{")


class PhpError(ValueError):
    """The text is not a serialised value, or has an object in it."""


def unserialize(text: str) -> Any:
    """Return the value; an array is a dict, whose keys are integers and texts."""
    data = text.encode()
    value, end = _read(data, 0, 1)
    if end != len(data):
        raise PhpError("There is something behind the value")
    return value


def _read(data: bytes, at: int, level: int) -> tuple[Any, int]:
    found = _SCALAR.match(data, at)
    if not found or level > MAX_LEVELS:
        raise PhpError("Not a value, or an object, or too deep")
    boolean, integer, number, length, size = found.groups()
    end = found.end()
    if boolean:
        return boolean == b"1", end
    if integer:
        return int(integer), end
    if number:
        try:
            return float(number), end
        except ValueError:
            raise PhpError("Not a number") from None
    if length:
        # Lengths count bytes.
        stop = end + int(length)
        if data[stop : stop + 2] != b'";':
            raise PhpError("A text is not as long as it says")
        return data[end:stop].decode("utf-8", "replace"), stop + 2
    if size:
        return _read_array(data, end, int(size), level)
    return None, end


def _read_array(data: bytes, at: int, size: int, level: int) -> tuple[dict[int | str, Any], int]:
    array: dict[int | str, Any] = {}
    # The size is somebody's claim: each member is read before the next is believed in.
    for _ in range(size):
        key, at = _read(data, at, level + 1)
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise PhpError("A key is neither a number nor a text")
        array[key], at = _read(data, at, level + 1)
    if data[at : at + 1] != b"}":
        raise PhpError("An array is not as long as it says")
    return array, at + 1
