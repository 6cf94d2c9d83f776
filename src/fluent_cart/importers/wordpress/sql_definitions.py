"""The columns of a table, as CREATE TABLE and ALTER TABLE define them."""

import re
from collections.abc import Iterator

from fluent_cart.importers.wordpress.sql_names import NAME, PARTS, name

_PART = re.compile(PARTS.replace(rb"[^'\"`;#/-]", rb"[^'\"`;#/(),-]") + rb"|[(),]", re.S)
_IS_COMMENT = re.compile(rb"/\*(?!M?!)|--\s|#")
_COLUMN = re.compile(rb"\s*(" + NAME + rb")\s+\w")
_NO_COLUMN = re.compile(
    rb"\s*(?:PRIMARY|UNIQUE|KEY|INDEX|FULLTEXT|SPATIAL|CONSTRAINT|CHECK|FOREIGN|PERIOD)\b", re.I
)
_SELECT = re.compile(rb"\bSELECT\b", re.I)
_CHANGES_COLUMNS = re.compile(
    rb"\s*(?:ADD\s+(?!(?:PRIMARY|UNIQUE|KEY|INDEX|FULLTEXT|SPATIAL|CONSTRAINT|CHECK|FOREIGN|PARTITION)\b)"
    rb"|DROP\s+(?!(?:PRIMARY|KEY|INDEX|CONSTRAINT|CHECK|FOREIGN|PARTITION)\b)"
    rb"|CHANGE\b|RENAME\s+(?!(?:KEY|INDEX)\b)|MODIFY\b.*\b(?:FIRST|AFTER\s+" + NAME + rb")\s*\Z)",
    re.I | re.S,
)


def columns_of(definition: bytes) -> list[str]:
    """Return the columns that CREATE TABLE names, in their order."""
    parts, _ = _parts(definition, definition.index(b"(") + 1)
    names = [_COLUMN.match(part) for part in parts if not _NO_COLUMN.match(part)]
    return [name(found[1]) for found in names if found]


def copies_rows(definition: bytes) -> bool:
    """Return whether CREATE TABLE fills the table with the rows of another."""
    _, rest = _parts(definition, definition.index(b"(") + 1)
    return any(_SELECT.search(token) for token in _tokens(rest, 0) if token[:1] not in b"'\"`/#-")


def changes_columns(changes: bytes) -> bool:
    """Return whether the changes of an ALTER TABLE add, remove, rename or move a column."""
    parts, _ = _parts(changes.rstrip(b"; \n\r\t"), 0)
    return any(_CHANGES_COLUMNS.match(part) for part in parts)


def _tokens(text: bytes, start: int) -> Iterator[bytes]:
    for found in _PART.finditer(text, start):
        if not _IS_COMMENT.match(found[0]):
            yield found[0]


def _parts(text: bytes, start: int) -> tuple[list[bytes], bytes]:
    """Return the parts between commas, up to the end of the list, and the text after the list."""
    parts, depth = [b""], 0
    for found in _PART.finditer(text, start):
        token = found[0]
        if _IS_COMMENT.match(token):
            continue
        if token == b"," and not depth:
            parts.append(b"")
            continue
        depth += {b"(": 1, b")": -1}.get(token, 0)
        if depth < 0:
            return parts, text[found.end() :]
        parts[-1] += token
    return parts, b""
