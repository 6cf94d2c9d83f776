"""Find the names of tables in the statements of a dump."""

import re

from fluent_cart.importers.wordpress.source_tables import kind_of
from fluent_cart.importers.wordpress.sql_literals import TEXT

NAME = rb"(?:`(?:[^`]|``)+`|\"[^\"]+\"|[0-9A-Za-z_$\x80-\xff]+)"
TABLE = rb"(?:(?P<database>" + NAME + rb")\s*\.\s*)?(?P<table>" + NAME + rb")"
_COMMENT = rb"/\*.*?\*/|(?:--(?=\s)|#)[^\n]*+"
# The parts of a statement, without its semicolon.
PARTS = rb"[^'\"`;#/-]++|" + TEXT + rb"|`[^`]*+`|" + _COMMENT + rb"|/(?!\*)|-(?!-\s)"
STATEMENT = re.compile(rb"(?:" + PARTS + rb")*+;", re.S)
_CODE_IN_COMMENT = re.compile(rb"/\*M?!\d*")
_NAMES = re.compile(_COMMENT + rb"|'(?:[^'\\]|\\.|'')*+'|(" + NAME + rb")", re.S)


def name(found: bytes) -> str:
    """Return a name without its quotes."""
    return found.strip().strip(b'`"').replace(b"``", b"`").decode("utf-8", "replace")


def tables_in(statement: bytes, prefix: str | None) -> set[str]:
    """Return the tables to import that a statement names anywhere, also in code behind ``/*!``."""
    code = _CODE_IN_COMMENT.sub(b" ", statement)
    names = {name(found[1]) for found in _NAMES.finditer(code) if found[1]}
    return {table for table in names if kind_of(table, prefix)}


def until(delimiter: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a statement that ends with another delimiter, like a trigger."""
    end = re.escape(delimiter)
    parts = _COMMENT + rb"|" + TEXT + rb"|`[^`]*+`|[^'\"`]"
    return re.compile(rb"((?:(?!" + end + rb")(?:" + parts + rb"))*+)" + end, re.S)
