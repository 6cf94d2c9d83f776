"""Lists can be sorted by the dates of the first and last purchase, and by the average order.

NULL sorts differently on each database, so each index holds an expression without NULL. The bare columns are
there for pages that are read from the index alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

FIRST = "coalesce(first_order_at, '-infinity')"
LAST = "coalesce(last_order_at, '-infinity')"
AVERAGE = "coalesce(CAST(total_spent AS FLOAT) / nullif(order_count, 0), 0)"
INDEXES: dict[str, list[str | sa.TextClause]] = {
    "ix_customers_first_purchase_date": [sa.text(FIRST), "id", "first_order_at"],
    "ix_customers_last_purchase_date": [sa.text(LAST), "id", "last_order_at"],
    "ix_customers_aov": [sa.text(AVERAGE), "id", "total_spent", "order_count"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "customers", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "customers")
