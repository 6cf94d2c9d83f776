"""Customers are found by the country of an address: the index alone has their ids."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_index("ix_customer_addresses_country", "customer_addresses", ["country", "customer_id"])


def downgrade() -> None:
    op.drop_index("ix_customer_addresses_country", "customer_addresses")
