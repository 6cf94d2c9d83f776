"""The character set of the texts of a dump, by its settings."""

import codecs
import re

from fluent_cart.importers.wordpress.source_tables import SourceError

_UTF_8 = ("utf8", "utf8mb3", "utf8mb4", "binary", "default")
# The names that MySQL has for them. Of the sets in which a second byte may be a backslash there is none.
_CODECS = dict.fromkeys(_UTF_8, "utf-8") | {
    "ascii": "ascii",
    "latin1": "cp1252",
    "latin2": "iso8859_2",
    "latin5": "iso8859_9",
    "latin7": "iso8859_13",
    "greek": "iso8859_7",
    "hebrew": "iso8859_8",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "cp1256": "cp1256",
    "cp1257": "cp1257",
}
CHARSETS = tuple(name for name in _CODECS if name != "default")
_NAMES = re.compile(rb"\bSET\s+(?:NAMES|CHARACTER\s+SET|CHARSET)\s*=?\s*['\"]?(\w+)", re.I)
_ASSIGNMENT = re.compile(rb"(@{0,2}[\w.]+)\s*:?=\s*['\"]?(@{0,2}[\w.]+)")
_CLIENT = re.compile(rb"(?:@@)?(?:SESSION\.|LOCAL\.)?CHARACTER_SET_CLIENT", re.I)


def _as_mysql(error: UnicodeError) -> tuple[str | bytes, int]:
    """Handle the five bytes that Windows-1252 lacks: MySQL's latin1 keeps them as control characters."""
    if isinstance(error, UnicodeDecodeError):
        return error.object[error.start : error.end].decode("latin-1"), error.end
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  # the only other one
    return error.object[error.start : error.end].encode("latin-1"), error.end


codecs.register_error("mysql_latin1", _as_mysql)


def decoded_once(text: str) -> str | None:
    """Return the text that was encoded as UTF-8 twice, ZoÃ« for Zoë, or None for another text."""
    if text.isascii():
        return None
    try:
        return text.encode("cp1252", "mysql_latin1").decode()
    except UnicodeError:
        return None


class Charset:
    """Decodes texts by the last settings. A text may name another set itself."""

    def __init__(self, given: str | None = None) -> None:
        self._given = self._current = given
        self._variables: dict[bytes, str | None] = {}

    def set(self, statement: bytes) -> None:
        """Store a SET that decides how later texts are read."""
        if found := _NAMES.search(statement):
            self._current = self._named(found[1])
        for target, value in _ASSIGNMENT.findall(statement):
            if _CLIENT.fullmatch(target):
                is_variable = value.startswith(b"@")
                self._current = self._variables.get(value.upper()) if is_variable else self._named(value)
            elif _CLIENT.fullmatch(value):
                self._variables[target.upper()] = self._current

    def _named(self, charset: bytes) -> str | None:
        return self._given or charset.decode().lower()

    def decode(self, raw: bytes, charset: str | None = None) -> str:
        """Return a text. Bytes that do not fit a named set become U+FFFD, which is reported later."""
        charset = charset or self._current
        if charset is None:
            return self._undeclared(raw)
        if charset not in _CODECS:
            raise SourceError(
                f"A text is in the character set {charset}, which is not supported. Make the dump in utf8mb4"
            )
        return raw.decode(_CODECS[charset], "mysql_latin1" if charset == "latin1" else "replace")

    def _undeclared(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise SourceError(
                "A text is not UTF-8, and the dump names no character set. Add --charset latin1, or another"
            ) from None
