"""SQLite: the ids alone, so that a deep page by id is not counted off on whole rows.

PostgreSQL's primary key is such an index already.
"""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.create_index("ix_customers_id", "customers", ["id"])


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.drop_index("ix_customers_id", "customers")
