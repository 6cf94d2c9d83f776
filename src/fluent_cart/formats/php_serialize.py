"""Read PHP's serialised values: null, booleans, numbers, texts and arrays, but no objects.

No maintained library reads them, and the values that WordPress stores for a user need no more.
"""

import re
from typing import Any

MAX_LEVELS = 32
_SCALAR = re.compile(rb"N;|b:([01]);|i:([+-]?\d{1,19});|d:([^;]{1,40});|s:(\d{1,10}):\"|a:(\d{1,10}):\{")


class PhpError(ValueError):
    """The text is not a serialised value, or has an object in it."""


def unserialize(text: str) -> Any:
    """Return the value. An array is a dict whose keys are integers and texts."""
    data = text.encode()
    value, end = _read(data, 0, 1)
    if end != len(data):
        raise PhpError("There is text after the value")
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
        # Lengths are in bytes.
        stop = end + int(length)
        if data[stop : stop + 2] != b'";':
            raise PhpError("A text does not have its declared length")
        return data[end:stop].decode("utf-8", "replace"), stop + 2
    if size:
        return _read_array(data, end, int(size), level)
    return None, end


def _read_array(data: bytes, at: int, size: int, level: int) -> tuple[dict[int | str, Any], int]:
    array: dict[int | str, Any] = {}
    # The size may be wrong, so each member is read before the next one is expected.
    for _ in range(size):
        key, at = _read(data, at, level + 1)
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise PhpError("A key is neither a number nor a text")
        array[key], at = _read(data, at, level + 1)
    if data[at : at + 1] != b"}":
        raise PhpError("An array does not have its declared length")
    return array, at + 1
