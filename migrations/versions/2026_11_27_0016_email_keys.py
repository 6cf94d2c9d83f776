"""Addresses are compared with their domain in Unicode: its ``xn--`` form is the same address.

The functions are copies of those in ``services/folding.py``, because a migration does not change later.
"""

import re

import sqlalchemy as sa
from alembic import op, util

revision = "0016"
down_revision = "0015"

BATCH = 1000
EXAMPLES = 5
CUSTOMERS = sa.table("customers", *(sa.column(name) for name in ("id", "email", "email_key")))
USERS = sa.table("users", *(sa.column(name) for name in ("id", "login", "login_key", "email", "email_key")))
XN_LABEL = re.compile(r"\bxn--[a-z0-9-]{1,59}", re.ASCII | re.IGNORECASE)


def upgrade() -> None:
    connection = op.get_bind()
    text = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
    op.drop_index("ix_customers_email", "customers")
    op.drop_index("uq_customers_email", "customers")
    op.add_column("customers", sa.Column("email_key", text, server_default=sa.text("''"), nullable=False))
    op.drop_index("uq_users_email", "users")
    op.drop_index("uq_users_login", "users")
    for table, column in ((CUSTOMERS, "email"), (USERS, "email"), (USERS, "login")):
        _fill(connection, table, column)
        _require_unique(connection, table, column)
    op.create_index("uq_users_login", "users", ["login_key"], unique=True)
    op.create_index("uq_users_email", "users", ["email_key"], unique=True)
    op.create_index("uq_customers_email", "customers", ["email_key"], unique=True)
    op.create_index("ix_customers_email", "customers", ["email_key", "id"])


def downgrade() -> None:
    op.drop_index("ix_customers_email", "customers")
    op.drop_index("uq_customers_email", "customers")
    op.drop_column("customers", "email_key")
    op.create_index("uq_customers_email", "customers", [sa.text("lower(email)")], unique=True)
    op.create_index("ix_customers_email", "customers", [sa.text("lower(email)"), "id", "email"])


def _fill(connection: sa.Connection, table: sa.TableClause, column: str) -> None:
    key = table.c[f"{column}_key"]
    change = sa.update(table).where(table.c.id == sa.bindparam("row")).values({key: sa.bindparam("new")})
    wanted = sa.select(table.c.id, table.c[column], key).order_by(table.c.id).limit(BATCH)
    last = 0
    while batch := connection.execute(wanted.where(table.c.id > last)).all():
        last = batch[-1][0]
        changed = [{"row": row_id, "new": new} for row_id, text, old in batch if (new := _key(text)) != old]
        if changed:
            connection.execute(change, changed)


def _require_unique(connection: sa.Connection, table: sa.TableClause, column: str) -> None:
    key = table.c[f"{column}_key"]
    ids = sa.func.min(table.c.id), sa.func.max(table.c.id)
    twice = sa.select(*ids).group_by(key).having(sa.func.count() > 1).order_by(*ids).limit(EXAMPLES)
    found = ", ".join(f"{first} and {second}" for first, second in connection.execute(twice))
    if found:
        raise util.CommandError(
            f"Rows of {table.name} have the same {column}, with the domain in Unicode and in the xn-- form."
            f" Their ids: {found}. Change one of each pair with the version before, then migrate again"
        )


def _key(address: str) -> str:
    mailbox, at, domain = address.strip().partition("@")
    decoded = XN_LABEL.sub(_decoded, domain) if "xn--" in domain.lower() else domain
    return f"{mailbox.casefold()}{at}{decoded.lower()}"


def _decoded(found: re.Match[str]) -> str:
    try:
        label = found[0][4:].encode().decode("punycode")
    except (ValueError, OverflowError):
        return found[0]
    return label if label.isprintable() else found[0]
