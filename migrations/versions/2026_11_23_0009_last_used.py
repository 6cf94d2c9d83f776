"""An application password has the day of its last use."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("application_passwords", sa.Column("last_used", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("application_passwords", "last_used")
