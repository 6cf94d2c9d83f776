"""Every customer is found by its phone as it is stored, with an extension or with digits of any script.

The functions are copies of those in ``services/search.py``, because a migration does not change later.
"""

import re
import unicodedata
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BATCH = 1000
CUSTOMERS = sa.table("customers", *(sa.column(name) for name in ("id", "phone", "search_text")))
NUMBER = re.compile(r"[0-9+()./\s-]*[0-9][0-9+()./\s-]*", re.ASCII)
STROKES = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)


def upgrade() -> None:
    connection = op.get_bind()
    change = sa.update(CUSTOMERS).where(CUSTOMERS.c.id == sa.bindparam("row"))
    last = 0
    while batch := _after(connection, last):
        last = batch[-1].id
        changed = [
            {"row": row.id, "text": _with_phone(row.search_text, row.phone)}
            for row in batch
            if not NUMBER.fullmatch(row.phone)
        ]
        if changed:
            connection.execute(change.values(search_text=sa.bindparam("text")), changed)


def downgrade() -> None:
    """Keep the texts: the version before finds in them all that it found."""


def _after(connection: sa.Connection, last: int) -> Sequence[sa.Row[tuple[int, str, str]]]:
    """Return the next customers that have a phone."""
    wanted = sa.select(CUSTOMERS).where(CUSTOMERS.c.id > last, CUSTOMERS.c.phone != "")
    return connection.execute(wanted.order_by(CUSTOMERS.c.id).limit(BATCH)).all()


def _with_phone(text: str, phone: str) -> str:
    """Return ``text`` with the lines of ``phone`` in place of the last line, its ASCII digits."""
    lines, plain = text.split("\n")[:2], _plain(phone)
    if not NUMBER.fullmatch(plain):
        lines.append(_fold(plain))
    return "\n".join([*lines, re.sub("[^0-9]", "", plain)])


def _plain(text: str) -> str:
    return "".join(_plain_character(character) for character in unicodedata.normalize("NFKD", text))


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character == "\u2212":
        return "-"
    return {"Cf": "", "Zs": " "}.get(category, character)


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(bare.casefold().translate(STROKES).split())
