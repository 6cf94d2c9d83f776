"""Users and their application passwords. A login and an e-mail address each belong to one user."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

IDENTITY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def text(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("login", text(60), nullable=False),
        sa.Column("login_key", text(180), nullable=False),
        sa.Column("email", text(255), nullable=False),
        sa.Column("email_key", text(255), nullable=False),
        sa.Column("display_name", text(255), nullable=False),
        sa.Column("role", text(60), nullable=False),
        sa.Column(
            "search_text", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_users_login", "users", ["login_key"], unique=True)
    op.create_index("uq_users_email", "users", ["email_key"], unique=True)
    op.create_table(
        "application_passwords",
        sa.Column("id", IDENTITY, nullable=False),
        sa.Column("user_id", IDENTITY, nullable=False),
        sa.Column("name", text(255), nullable=False),
        sa.Column("password_hash", text(255), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_application_passwords"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], ondelete="CASCADE", name="fk_application_passwords_user_id_users"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_application_passwords_hash", "application_passwords", ["password_hash", "user_id"], unique=True
    )
    op.create_index("ix_application_passwords_user_id", "application_passwords", ["user_id"])


def downgrade() -> None:
    op.drop_table("application_passwords")
    op.drop_table("users")
