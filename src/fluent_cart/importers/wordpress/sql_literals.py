"""Read texts and numbers of SQL: the values of one row of a dump."""

import re
from collections.abc import Callable, Sequence

from fluent_cart.importers.wordpress.source_tables import SourceError

TEXT = rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'|\"[^\"\\]*+(?:(?:\\.|\"\")[^\"\\]*+)*+\""
# A text, a number or a word, followed by rare values: bytes, a text that names its character set, and a
# converted text, as mydumper writes JSON.
_VALUE = (
    rb"(?:" + TEXT + rb"|[^\s'\"(),;]++|[xXbB]'[0-9A-Fa-f]*+'|_\w++\s*+(?:" + TEXT + rb")"
    rb"|(?i:CONVERT|CAST)\(\s*+(?:" + TEXT + rb")\s*+(?i:USING|AS)\s++\w++\s*+\))"
)
_NUMBER = re.compile(rb"[+-]?[0-9.][0-9.eE+-]*")
_BYTES = re.compile(rb"0x([0-9A-Fa-f]*)|[xX]'([0-9A-Fa-f]*)'")
_BITS = re.compile(rb"[bB]'([01]*)'")
_WORDS = {b"NULL": None, b"TRUE": "1", b"FALSE": "0"}
_NAMED = re.compile(rb"_(\w+)\s*(" + TEXT + rb")", re.S)
_CONVERTED = re.compile(rb"(?:CONVERT|CAST)\(\s*(" + TEXT + rb")", re.S | re.I)
# The text of bytes in a text column of WordPress.
_OF_COLUMNS = "utf8mb4"
# Decodes bytes as text, in the character set of the dump unless one is set.
Decode = Callable[[bytes, str | None], str]
# A quote is doubled only inside of a text that has the same quote around it.
_ESCAPES = {b"'": re.compile(rb"\\(.)|(')'", re.S), b'"': re.compile(rb'\\(.)|(")"', re.S)}
_ESCAPED = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"Z": b"\x1a"}
# Outside of a LIKE these two keep their backslash.
_ESCAPED |= {b"%": b"\\%", b"_": b"\\_"}


def row_pattern(columns: int, wanted: Sequence[int]) -> re.Pattern[bytes]:
    """Return the pattern of a row of ``columns``: a group for each wanted one, and the text after it.

    One match for a whole row is several times as fast as one for each of its values.
    """
    values = (b"(" + _VALUE + b")" if place in wanted else _VALUE for place in range(columns))
    return re.compile(rb"\s*+\(\s*+" + rb"\s*+,\s*+".join(values) + rb"\s*+\)\s*+([,;]|(?i:ON|AS)\s)", re.S)


def value(literal: bytes, decode: Decode, charset: str | None = None) -> str | None:
    """Return the text of one value. Raise ``SourceError`` unless it is a text, a number or NULL."""
    if literal == b"NULL":
        return None
    first = literal[:1]
    if first in (b"'", b'"'):
        raw = literal[1:-1]
        if b"\\" in raw or first in raw:
            raw = _ESCAPES[first].sub(_unescaped, raw)
        return decode(raw, charset)
    if _NUMBER.fullmatch(literal):
        return literal.decode()
    return _rare_value(literal, decode)


def _rare_value(literal: bytes, decode: Decode) -> str | None:
    if literal.upper() in _WORDS:
        return _WORDS[literal.upper()]
    if found := _BYTES.fullmatch(literal):
        digits = (found[1] or found[2] or b"").decode()
        # An odd number of digits has a zero in front.
        return decode(bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}"), _OF_COLUMNS)
    if found := _BITS.fullmatch(literal):
        return str(int(found[1] or b"0", 2))
    if found := _NAMED.fullmatch(literal):
        charset = found[1].decode().lower()
        return value(found[2], decode, _OF_COLUMNS if charset == "binary" else charset)
    if found := _CONVERTED.match(literal):
        return value(found[1], decode)
    raise SourceError("The dump cannot be read: a value is neither a text, a number nor NULL")


def _unescaped(found: re.Match[bytes]) -> bytes:
    return found[2] if found[1] is None else _ESCAPED.get(found[1], found[1])
