"""Sessions: who is signed in with a cookie, and until when.

See docs/decisions.md#51-sessions.
"""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, Id, PrimaryKey, Time, text


class Session(Base):
    """A sign-in; without its row the cookie that it was answered with is worth nothing."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("uq_sessions_token_hash", "token_hash", unique=True),
        Index("ix_sessions_user_id", "user_id"),
        Index("ix_sessions_expires_at", "expires_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    # SHA-256 of what the cookie holds: a reader of this table has no cookie.
    token_hash: Mapped[str] = mapped_column(text(64))
    # Signs the cookie and its nonces.
    key: Mapped[str] = mapped_column(text(64))
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
