"""Names sort as people read them: without case and accents, the same on both databases.

The functions are copies of those in ``services/folding.py``, because a migration does not change later.
"""

import unicodedata
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

BATCH = 1000
NAMES = ("first_name", "last_name")
CUSTOMERS = sa.table("customers", *(sa.column(name) for name in ("id", *NAMES, *(f"{n}_key" for n in NAMES))))
STROKES = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)


def upgrade() -> None:
    text = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
    for name in NAMES:
        op.drop_index(f"ix_customers_{name}", "customers")
        key = sa.Column(f"{name}_key", text, server_default=sa.text("''"), nullable=False)
        op.add_column("customers", key)
    _fill(op.get_bind())
    for name in NAMES:
        op.create_index(f"ix_customers_{name}", "customers", [f"{name}_key", "id"])


def downgrade() -> None:
    for name in NAMES:
        op.drop_index(f"ix_customers_{name}", "customers")
        op.drop_column("customers", f"{name}_key")
        op.create_index(f"ix_customers_{name}", "customers", [sa.text(f"lower({name})"), "id", name])


def _fill(connection: sa.Connection) -> None:
    change = (
        sa.update(CUSTOMERS)
        .where(CUSTOMERS.c.id == sa.bindparam("row"))
        .values({f"{name}_key": sa.bindparam(f"new_{name}") for name in NAMES})
    )
    last = 0
    while batch := _after(connection, last):
        last = batch[-1].id
        keys = (
            {f"new_{name}": _key(row._mapping[name]) for name in NAMES} | {"row": row.id} for row in batch
        )
        connection.execute(change, list(keys))


def _after(connection: sa.Connection, last: int) -> Sequence[sa.Row[int, str, str]]:
    wanted = sa.select(CUSTOMERS.c.id, CUSTOMERS.c.first_name, CUSTOMERS.c.last_name)
    return connection.execute(wanted.where(CUSTOMERS.c.id > last).order_by(CUSTOMERS.c.id).limit(BATCH)).all()


def _keys(row: sa.Row[int, str, str]) -> dict[str, int | str]:
    return {"row": row.id, **{f"new_{name}": _key(row._mapping[name]) for name in NAMES}}


def _key(name: str) -> str:
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    decomposed = unicodedata.normalize("NFKD", visible.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(bare.casefold().translate(STROKES).split())[:255]
