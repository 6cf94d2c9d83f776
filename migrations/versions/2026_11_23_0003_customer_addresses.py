"""Addresses. A customer has at most one primary address."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

IDENTITY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "customer_addresses",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("customer_id", IDENTITY, nullable=False),
        sa.Column("type", text(20), nullable=False),
        sa.Column("is_primary", sa.Boolean, nullable=False),
        sa.Column("first_name", text(255), nullable=False),
        sa.Column("last_name", text(255), nullable=False),
        sa.Column("company_name", text(255)),
        sa.Column("address_1", text(255), nullable=False),
        sa.Column("address_2", text(255)),
        sa.Column("city", text(100), nullable=False),
        sa.Column("state", text(100), nullable=False),
        sa.Column("postcode", text(32), nullable=False),
        sa.Column("country", text(2), nullable=False),
        sa.Column("phone", text(50)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer_addresses"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            ondelete="CASCADE",
            name="fk_customer_addresses_customer_id_customers",
        ),
        sa.CheckConstraint("type IN ('billing', 'shipping')", name=op.f("ck_customer_addresses_type")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_customer_addresses_customer_id", "customer_addresses", ["customer_id"])
    op.create_index(
        "uq_customer_addresses_primary",
        "customer_addresses",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("is_primary"),
        postgresql_where=sa.text("is_primary"),
    )


def downgrade() -> None:
    op.drop_table("customer_addresses")
