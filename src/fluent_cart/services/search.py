"""Search by folded text (decision 11): one meaning of "contains" for every database.

A row keeps the text that a search looks into, folded here when the row is written: a line each for name,
e-mail and the digits of the phone. A search term is folded the same way, so the database only compares.
"""

import re
import unicodedata
from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, false, or_
from sqlalchemy.orm import InstrumentedAttribute

MAX_ID = 2**63 - 1

# Letters that carry a stroke or are two in one: Unicode does not take these apart by itself.
_STROKES = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
_PHONE = re.compile(r"[0-9+()./\s-]*[0-9][0-9+()./\s-]*", re.ASCII)


def fold(text: str) -> str:
    """Return ``text`` without case, accents and surplus white space."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(bare.casefold().translate(_STROKES).split())


def digits(text: str) -> str:
    """Return the ASCII digits of ``text``: a phone number however it is written."""
    return re.sub(r"[^0-9]", "", text)


def search_text(*lines: str, phone: str | None = None) -> str:
    """Return what a row keeps for searching."""
    return "\n".join([*(fold(line) for line in lines), digits(phone or "")])


def words(term: str) -> list[str]:
    """Return the words of a search term, all of which must occur; a phone number is one word."""
    return [term.strip()] if _PHONE.fullmatch(term) else term.split()


def matches(
    term: str, text: InstrumentedAttribute[str], identifier: InstrumentedAttribute[int]
) -> ColumnElement[bool]:
    """Return the condition that a row is found by ``term``."""
    return and_(*(or_(false(), *_word_matches(word, text, identifier)) for word in words(term)))


def _word_matches(
    word: str, text: InstrumentedAttribute[str], identifier: InstrumentedAttribute[int]
) -> Iterable[ColumnElement[bool]]:
    forms = {fold(word)}
    if _PHONE.fullmatch(word):
        forms.add(digits(word))
    for form in sorted(forms - {""}):
        yield text.contains(form, autoescape=True)
    if re.fullmatch(r"[1-9][0-9]{0,18}", word) and int(word) <= MAX_ID:
        yield identifier == int(word)
