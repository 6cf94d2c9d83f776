"""Stored responses of requests that may be sent again.

See docs/decisions.md#27-idempotency-keys.
"""

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, IdType, PrimaryKey, TimeColumn, text


class IdempotencyKey(Base):
    """A key that a user sent with a request, and the response."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("uq_idempotency_keys_key", "user_id", "route", "key", unique=True),
        Index("ix_idempotency_keys_created_at", "created_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    user_id: Mapped[int] = mapped_column(IdType, ForeignKey("users.id", ondelete="CASCADE"))
    # Method and path.
    route: Mapped[str] = mapped_column(text(255))
    key: Mapped[str] = mapped_column(text(255))
    # A digest of the request's input, because another input is another request.
    fingerprint: Mapped[str] = mapped_column(text(64))
    status: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[TimeColumn]
