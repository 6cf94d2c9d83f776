"""Search by folded text, with the same results on every database.

A row stores the text to search, which is folded when the row is written. The text has a line for the name,
one for the e-mail address, and one for the digits of the phone. A phone that is more than a number has a line
of its own before its digits. A search term is folded in the same way, so the database only compares.

The texts of customers have a trigram index, in a search table next to the customers: on SQLite a full-text
index, on PostgreSQL a table of ids and texts, so that the index costs an update of other columns nothing and
few pages have the texts of many matches. No index finds terms with fewer than three characters: such a search
reads every text, in the queue of scans.

See docs/decisions.md#11-list-of-customers.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    SelectBase,
    String,
    TableClause,
    and_,
    column,
    false,
    literal,
    literal_column,
    or_,
    select,
    true,
    union,
)

from fluent_cart.schemas.base import MAX_ID
from fluent_cart.services.folding import MAX_SORT_KEY, decode_labels, fold

# Fewer are an extension or a placeholder.
MIN_PHONE_DIGITS = 7

_PHONE = re.compile(r"[0-9+()./\s-]*[0-9][0-9+()./\s-]*", re.ASCII)


def plain_phone(text: str) -> str:
    """Return ``text`` with digits, dashes and blanks in ASCII, and without invisible format characters."""
    if text.isascii():
        return text
    return "".join(_plain_character(character) for character in unicodedata.normalize("NFKD", text))


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    # The minus sign is not in Unicode's category of dashes.
    if category == "Pd" or character == "\u2212":
        return "-"
    return {"Cf": "", "Zs": " "}.get(category, character)


def digits(text: str) -> str:
    """Return the digits of ``text`` in ASCII, so that all ways to write a phone number are equal."""
    return re.sub(r"[^0-9]", "", plain_phone(text))


def phone_key(phone: str | None) -> str:
    """Return the form in which phones are compared, or "" for too few digits to be a person's.

    The zeros at the start are removed, because ``+49`` and ``0049`` are the same.
    """
    number = digits(phone or "").lstrip("0")
    return number[:MAX_SORT_KEY] if len(number) >= MIN_PHONE_DIGITS else ""


def search_text(*lines: str, phone: str | None = None) -> str:
    """Return the text that a row stores for searches."""
    folded = (form for line in lines for form in _folded_lines(line))
    return "\n".join([*folded, *_phone_lines(phone or "")])


def _folded_lines(line: str) -> Iterator[str]:
    """Yield a line, and the same line with its domain in Unicode, so that both forms find an address."""
    yield fold(line)
    if (decoded := decode_labels(line)) != line:
        yield fold(decoded)


def _phone_lines(phone: str) -> Iterator[str]:
    """Return the digits, and the text of a phone that is more than a number, such as an extension."""
    plain = plain_phone(phone)
    if phone and not _PHONE.fullmatch(plain):
        yield fold(plain)
    yield digits(phone)


class Word(NamedTuple):
    """A word of a search term: its texts, of which one must occur, or the id that matches instead."""

    forms: tuple[str, ...]
    identifier: int | None

    @property
    def is_indexed(self) -> bool:
        """Return whether an index of trigrams can find the word."""
        return bool(self.forms) and all(len(form) >= 3 for form in self.forms)


def words(term: str) -> list[Word]:
    """Return the words of a search term, which must all occur. A phone number is one word."""
    is_phone = _PHONE.fullmatch(plain_phone(term))
    written = [term.strip()] if is_phone else term.split()
    # A word that has only accents or format characters is ignored if there are other words.
    visible = [word for word in written if fold(plain_phone(word))]
    return [_word(word) for word in visible or written]


def _word(word: str) -> Word:
    plain = plain_phone(word)
    forms = {fold(word), fold(plain), fold(decode_labels(word))}
    if _PHONE.fullmatch(plain):
        forms.add(digits(word))
    is_id = re.fullmatch(r"[1-9][0-9]{0,18}", word) and int(word) <= MAX_ID
    return Word(tuple(sorted(forms - {""})), int(word) if is_id else None)


@dataclass(frozen=True)
class SearchTarget:
    """The columns to search: a folded text and an id, and the search table of the text, if there is one."""

    text: ColumnElement[str]
    identifier: ColumnElement[int]
    index: TableClause | None = None


def matches(term: str, searched: SearchTarget, dialect: str) -> ColumnElement[bool]:
    """Return the condition that ``term`` finds a row."""
    index = searched.index
    if index is not None and dialect == "postgresql":
        return searched.identifier.in_(_from_table(index, term, dialect))
    conditions: list[ColumnElement[bool]] = []
    # Words without an id are one query of the index.
    texts = [
        word for word in words(term) if index is not None and word.is_indexed and word.identifier is None
    ]
    if index is not None and texts:
        conditions.append(searched.identifier.in_(_from_index(index, texts)))
    for word in words(term):
        if word not in texts:
            conditions.append(or_(false(), *_one_of(word, searched, index)))
    # The term is white space only, such as U+001F, which input does not strip. There is no condition.
    return and_(true(), *conditions)


def ids_from_index(term: str, searched: SearchTarget, dialect: str) -> SelectBase | None:
    """Return the ids of the rows that ``term`` finds, or None if the index cannot find them."""
    wanted, index = words(term), searched.index
    if index is not None and dialect == "postgresql":
        return _from_table(index, term, dialect)
    if index is None or not wanted or not all(word.is_indexed for word in wanted):
        return None
    ids = _from_index(index, wanted)
    numbers = [word.identifier for word in wanted if word.identifier is not None]
    if not numbers:
        return ids
    # An id matches instead of the whole term only if the term is one word.
    return (
        union(ids, select(searched.identifier).where(searched.identifier == numbers[0]))
        if len(wanted) == 1
        else None
    )


def _one_of(word: Word, searched: SearchTarget, index: TableClause | None) -> Iterator[ColumnElement[bool]]:
    if index is not None and word.is_indexed:
        yield searched.identifier.in_(_from_index(index, [word]))
    else:
        for form in word.forms:
            yield searched.text.contains(form, autoescape=True)
    if word.identifier is not None:
        yield searched.identifier == word.identifier


def _from_table(index: TableClause, term: str, dialect: str) -> Select[int]:
    """Return the ids from PostgreSQL's search table, which has an id and a text in each row."""
    found = matches(term, SearchTarget(index.c.search_text, index.c.id), dialect)
    return select(index.c.id).where(found)


def _from_index(index: TableClause, words: list[Word]) -> Select[int]:
    # Each form is quoted, so that no part of it is an operator of the index's query language.
    quoted = ([f'"{form.replace(chr(34), chr(34) * 2)}"' for form in word.forms] for word in words)
    expression = " AND ".join(f"({' OR '.join(forms)})" for forms in quoted)
    found = literal_column(index.name, String).op("MATCH")(literal(expression))
    return select(column("rowid", Integer).label("id")).select_from(index).where(found)
