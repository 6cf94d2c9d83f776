"""Orders, which stay when their customer is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

IDENTITY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("customer_id", IDENTITY),
        sa.Column("status", text(20), nullable=False),
        sa.Column("payment_status", text(20), nullable=False),
        sa.Column("currency", text(10), nullable=False),
        sa.Column("total_amount", sa.BigInteger, nullable=False),
        sa.Column("total_paid", sa.BigInteger, nullable=False),
        sa.Column("total_refund", sa.BigInteger, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], ondelete="SET NULL", name="fk_orders_customer_id_customers"
        ),
        sa.CheckConstraint("total_paid >= 0 AND total_refund >= 0", name=op.f("ck_orders_money")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_customer_id", "orders", ["customer_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("orders")
