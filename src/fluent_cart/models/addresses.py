"""Postal addresses of customers."""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, IdType, NameColumn, PrimaryKey, TimeColumn, text


class Address(Base):
    """An address of a customer. Exactly one address of each customer is primary.

    See docs/decisions.md#19-primary-address.
    """

    __tablename__ = "customer_addresses"
    __table_args__ = (
        Index("ix_customer_addresses_customer_id", "customer_id"),
        Index("ix_customer_addresses_country", "country", "customer_id"),
        # The index allows at most one, also in a race. services.addresses keeps at least one.
        Index(
            "uq_customer_addresses_primary",
            "customer_id",
            unique=True,
            sqlite_where=sql("is_primary"),
            postgresql_where=sql("is_primary"),
        ),
        CheckConstraint("type IN ('billing', 'shipping')", name="type"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    customer_id: Mapped[int] = mapped_column(IdType, ForeignKey("customers.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(text(20), default="billing")
    is_primary: Mapped[bool] = mapped_column(default=False)
    first_name: Mapped[NameColumn]
    last_name: Mapped[NameColumn]
    company_name: Mapped[str | None] = mapped_column(text(255))
    address_1: Mapped[str] = mapped_column(text(255))
    address_2: Mapped[str | None] = mapped_column(text(255))
    city: Mapped[str] = mapped_column(text(100))
    state: Mapped[str] = mapped_column(text(100), default="")
    postcode: Mapped[str] = mapped_column(text(32), default="")
    country: Mapped[str] = mapped_column(text(2))
    phone: Mapped[str | None] = mapped_column(text(50))
    created_at: Mapped[TimeColumn]
    updated_at: Mapped[TimeColumn]
