"""Every order of the list is an index, and so is the usual filter.

Each ends with the id, which breaks ties, and holds the bare text next to its lower case. Only then does
either database read a page of ids from the index alone, also for a deep page.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXTS = ("email", "first_name", "last_name")
OTHERS = ("status", "total_spent", "order_count", "created_at", "updated_at")
FILTER = "ix_customers_filter"


def upgrade() -> None:
    for name in TEXTS:
        op.create_index(f"ix_customers_{name}", "customers", [sa.text(f"lower({name})"), "id", name])
    for name in OTHERS:
        op.create_index(f"ix_customers_{name}", "customers", [name, "id"])
    op.create_index(FILTER, "customers", ["status", "created_at", "total_spent", "id"])


def downgrade() -> None:
    for name in (FILTER, *(f"ix_customers_{name}" for name in TEXTS + OTHERS)):
        op.drop_index(name, "customers")
