"""Customers, with their totals and the text to search."""

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, literal_column
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import (
    Base,
    FoldedColumn,
    IdType,
    MoneyColumn,
    NameColumn,
    NameKeyColumn,
    PrimaryKey,
    TimeColumn,
    TimestampType,
    text,
)

# NULL sorts differently on each database. As a text, '-infinity' also sorts before all times.
FIRST_PURCHASE = "coalesce(first_order_at, '-infinity')"
LAST_PURCHASE = "coalesce(last_order_at, '-infinity')"
AVERAGE_ORDER = "coalesce(CAST(total_spent AS FLOAT) / nullif(order_count, 0), 0)"


class Customer(Base):
    """A customer. ``services.orders`` updates the four totals, in cents.

    See docs/decisions.md#16-totals-of-a-customer.
    """

    __tablename__ = "customers"
    __table_args__ = (
        Index("uq_customers_email", "email_key", unique=True),
        Index("uq_customers_user_id", "user_id", unique=True),
        # The id breaks ties. With the text, the index alone has the ids of a page.
        *(
            Index(f"ix_customers_{name}", f"{name}_key", "id")
            for name in ("email", "first_name", "last_name")
        ),
        *(
            Index(f"ix_customers_{name}", name, "id")
            for name in ("status", "total_spent", "order_count", "created_at", "updated_at")
        ),
        Index("ix_customers_first_purchase_date", literal_column(FIRST_PURCHASE), "id", "first_order_at"),
        Index("ix_customers_last_purchase_date", literal_column(LAST_PURCHASE), "id", "last_order_at"),
        Index("ix_customers_aov", literal_column(AVERAGE_ORDER), "id", "total_spent", "order_count"),
        Index("ix_customers_filter", "status", "created_at", "total_spent", "id"),
        # For duplicates (docs/decisions.md#182-duplicates): most customers have a phone, and few an address
        # with a plus.
        *(
            Index(
                f"ix_customers_{name}_key",
                f"{name}_key",
                "id",
                sqlite_where=sql(f"{name}_key <> ''"),
                postgresql_where=sql(f"{name}_key <> ''"),
            )
            for name in ("phone", "mailbox")
        ),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
        CheckConstraint("total_spent >= 0 AND order_count >= 0", name="totals"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    email: Mapped[str] = mapped_column(text(255))
    first_name: Mapped[NameColumn]
    last_name: Mapped[NameColumn]
    phone: Mapped[str | None] = mapped_column(text(50))
    status: Mapped[str] = mapped_column(text(20), default="active")
    user_id: Mapped[int | None] = mapped_column(IdType, ForeignKey("users.id", ondelete="SET NULL"))
    # JSON, not JSONB, because JSON keeps the order of the keys.
    additional_info: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    total_spent: Mapped[MoneyColumn]
    order_count: Mapped[MoneyColumn]
    first_order_at: Mapped[str | None] = mapped_column(TimestampType)
    last_order_at: Mapped[str | None] = mapped_column(TimestampType)
    # The forms in which addresses are compared (docs/decisions.md#128-domains-beyond-ascii) and names sort
    # (docs/decisions.md#135-order-of-names).
    email_key: Mapped[NameKeyColumn]
    first_name_key: Mapped[NameKeyColumn]
    last_name_key: Mapped[NameKeyColumn]
    # Keys of duplicates (docs/decisions.md#182-duplicates). Empty if the customer has no such value.
    phone_key: Mapped[NameKeyColumn]
    mailbox_key: Mapped[NameKeyColumn]
    search_text: Mapped[FoldedColumn]
    created_at: Mapped[TimeColumn]
    updated_at: Mapped[TimeColumn]
