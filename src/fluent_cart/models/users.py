"""The site's WordPress users, and their application passwords.

See docs/decisions.md#20-attachable-users and #22-http-basic.
"""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, FoldedColumn, IdType, PrimaryKey, TimeColumn, TimestampType, text


class User(Base):
    """A person who may sign in. ``role`` is any WordPress or FluentCart role.

    ``login_key`` and ``email_key`` are in lower case, because WordPress compares both without regard to case.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_login", "login_key", unique=True),
        Index("uq_users_email", "email_key", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    login: Mapped[str] = mapped_column(text(60))
    login_key: Mapped[str] = mapped_column(text(180))
    email: Mapped[str] = mapped_column(text(255))
    email_key: Mapped[str] = mapped_column(text(255))
    display_name: Mapped[str] = mapped_column(text(255))
    role: Mapped[str] = mapped_column(text(60))
    # Of the login password. A user without one cannot sign in with a cookie
    # (docs/decisions.md#50-login-passwords).
    password_hash: Mapped[str | None] = mapped_column(text(255))
    search_text: Mapped[FoldedColumn]
    created_at: Mapped[TimeColumn]


class ApplicationPassword(Base):
    __tablename__ = "application_passwords"
    __table_args__ = (
        # WordPress's own name for a password. An import finds the password by this name.
        Index("uq_application_passwords_uuid", "uuid", "user_id", unique=True),
        # One look-up by hash finds the password. The index is not unique, because imported users may have
        # chosen the same one.
        Index("uq_application_passwords_hash", "password_hash", "user_id", unique=True),
        Index("ix_application_passwords_user_id", "user_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(IdType, ForeignKey("users.id", ondelete="CASCADE"))
    uuid: Mapped[str | None] = mapped_column(text(36))
    name: Mapped[str] = mapped_column(text(255))
    password_hash: Mapped[str] = mapped_column(text(255))
    created_at: Mapped[TimeColumn]
    # Written at most once a day, so that most reads write nothing.
    last_used: Mapped[str | None] = mapped_column(TimestampType)
