"""An imported application password keeps its uuid, so that an import can revoke it.

Its hash cannot identify it, because an old hash is replaced when the password is used.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

INDEX, TABLE = "uq_application_passwords_uuid", "application_passwords"


def upgrade() -> None:
    text = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
    op.add_column(TABLE, sa.Column("uuid", text))
    op.create_index(INDEX, TABLE, ["uuid", "user_id"], unique=True)


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
    op.drop_column(TABLE, "uuid")
