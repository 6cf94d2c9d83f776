"""Sessions of users who signed in with a login password.

See docs/decisions.md#51-sessions.
"""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, IdType, PrimaryKey, TimeColumn, text


class Session(Base):
    """A session. Its cookie is valid only while this row exists."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("uq_sessions_token_hash", "token_hash", unique=True),
        Index("ix_sessions_user_id", "user_id"),
        Index("ix_sessions_expires_at", "expires_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(IdType, ForeignKey("users.id", ondelete="CASCADE"))
    # SHA-256 of the token in the cookie, so that a reader of this table has no valid cookie.
    token_hash: Mapped[str] = mapped_column(text(64))
    # Signs the cookie and its nonces.
    key: Mapped[str] = mapped_column(text(64))
    created_at: Mapped[TimeColumn]
    expires_at: Mapped[TimeColumn]
