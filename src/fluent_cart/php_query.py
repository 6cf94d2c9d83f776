"""PHP's way to write lists and objects into query strings and form data.

``filters[status]=active`` is an object, ``customer_ids[]=1`` and ``customer_ids[0]=1`` are lists.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
MAX_LEVELS = 8


def parse_query(text: str, errors: str = "replace", max_fields: int | None = None) -> dict[str, Any]:
    """Return the fields of ``text``.

    ``errors`` says what becomes of bytes that are not UTF-8, as for ``bytes.decode``. ``ValueError`` if that
    is "strict" and there are some, or if there are more than ``max_fields``.
    """
    fields: dict[str, Any] = {}
    pairs = parse_qsl(text, keep_blank_values=True, errors=errors, max_num_fields=max_fields)
    for name, value in pairs:
        match = _NAME.fullmatch(name)
        # As in PHP, a name with loose brackets is an ordinary name.
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])] if match else [name]
        _put(fields, path[:MAX_LEVELS], value)
    return {name: _lists(value) for name, value in fields.items()}


def _put(fields: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    for name in parents:
        child = fields.get(name or str(len(fields)))
        if not isinstance(child, dict):
            child = {}
            fields[name or str(len(fields))] = child
        fields = child
    fields[last or str(len(fields))] = value


def _lists(value: Any) -> Any:
    """Turn objects whose keys are all numbers into lists, as clients mean them."""
    if not isinstance(value, dict):
        return value
    members = {name: _lists(member) for name, member in value.items()}
    if all(re.fullmatch("[0-9]+", name) for name in members):
        return list(members.values())
    return members
