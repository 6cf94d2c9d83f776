"""Customers. An e-mail address in any case belongs to one of them, and a user to at most one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

IDENTITY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("email", text(255), nullable=False),
        sa.Column("first_name", text(255), nullable=False),
        sa.Column("last_name", text(255), nullable=False),
        sa.Column("phone", text(50)),
        sa.Column("status", text(20), nullable=False),
        sa.Column("user_id", IDENTITY),
        sa.Column("additional_info", sa.JSON, nullable=False),
        sa.Column("total_spent", sa.BigInteger, nullable=False),
        sa.Column("order_count", sa.BigInteger, nullable=False),
        sa.Column("first_order_at", TIME),
        sa.Column("last_order_at", TIME),
        sa.Column(
            "search_text", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], ondelete="SET NULL", name="fk_customers_user_id_users"
        ),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f("ck_customers_status")),
        sa.CheckConstraint("total_spent >= 0 AND order_count >= 0", name=op.f("ck_customers_totals")),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_customers_email", "customers", [sa.text("lower(email)")], unique=True)
    op.create_index("uq_customers_user_id", "customers", ["user_id"], unique=True)


def downgrade() -> None:
    op.drop_table("customers")
