"""Parse JSON within limits that every JSON reader shares."""

import json
import math
from typing import Any, Never

from fluent_cart.errors import UnreadableBody

MAX_LEVELS = 32
MAX_NODES = 10_000


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. Raise an error for input that other readers would reject."""
    try:
        value = json.loads(text, parse_constant=_not_json, parse_float=_finite)
    except (ValueError, RecursionError):
        raise UnreadableBody from None
    _check_size(value)
    return value


def _not_json(_constant: str) -> Never:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("The number is too large")
    return number


def _check_size(value: Any) -> None:
    level, nodes = [value], 1
    for _ in range(MAX_LEVELS):
        level = [
            member
            for parent in level
            if isinstance(parent, (dict, list))
            for member in (parent.values() if isinstance(parent, dict) else parent)
        ]
        nodes += len(level)
        if nodes > MAX_NODES:
            break
        if not level:
            return
    raise UnreadableBody("The request body is nested too deeply or has too many members")
