"""Read lists and objects in query strings and form data as PHP writes them.

``filters[status]=active`` is an object, ``customer_ids[]=1`` and ``customer_ids[0]=1`` are lists.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PLAIN = re.compile(r"[^%+\[\]]*")
_NUMBER = re.compile("[0-9]{1,18}")
MAX_LEVELS = 8


class _Fields(dict[str, Any]):
    """One level of fields, which stores the next free number, as PHP's arrays do."""

    next_number = 0

    def name(self, written: str) -> str:
        """Return the name of a key. ``[]`` stands for the next number."""
        name = written or str(self.next_number)
        if _NUMBER.fullmatch(name):
            self.next_number = max(self.next_number, int(name) + 1)
        return name


def parse_query(text: str, errors: str = "replace", max_fields: int | None = None) -> dict[str, Any]:
    """Return the fields of ``text``.

    ``errors`` is the treatment of bytes that are not UTF-8, as for ``bytes.decode``. Raise ``ValueError`` if
    it is "strict" and there are such bytes, or if there are more than ``max_fields``.
    """
    if _PLAIN.fullmatch(text) and (max_fields is None or text.count("&") < max_fields):
        # A query without escapes and brackets, as most are, takes a fifth of the time.
        plain = (field.partition("=") for field in text.split("&"))
        return {name: value for name, _, value in plain if name}
    fields = _Fields()
    pairs = parse_qsl(text, keep_blank_values=True, errors=errors, max_num_fields=max_fields)
    for name, value in pairs:
        if not name:
            continue
        match = _NAME.fullmatch(name)
        # As in PHP, a name with unbalanced brackets is an ordinary name.
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])] if match else [name]
        _put(fields, path[:MAX_LEVELS], value)
    return {name: _lists(value) for name, value in fields.items()}


def _put(fields: _Fields, path: list[str], value: str) -> None:
    *parents, last = path
    for written in parents:
        name = fields.name(written)
        child = fields.get(name)
        if not isinstance(child, _Fields):
            child = _Fields()
            fields[name] = child
        fields = child
    fields[fields.name(last)] = value


def _lists(value: Any) -> Any:
    """Convert objects whose keys are all numbers to lists."""
    if not isinstance(value, dict):
        return value
    members = {name: _lists(member) for name, member in value.items()}
    if all(_NUMBER.fullmatch(name) for name in members):
        return list(members.values())
    return members
