"""Orders, from which the totals of customers are computed.

See docs/decisions.md#16-totals-of-a-customer and #17-orders-of-a-customer.
"""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, IdType, MoneyColumn, PrimaryKey, TimeColumn, text


class Order(Base):
    """An order, in cents. ``total_paid`` includes the refunds in ``total_refund``."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_customer_id", "customer_id", "created_at", "id"),
        CheckConstraint("total_paid >= 0 AND total_refund >= 0", name="money"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    # An order stays if its customer is deleted (docs/decisions.md#25-deletion-of-customers).
    customer_id: Mapped[int | None] = mapped_column(IdType, ForeignKey("customers.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(text(20))
    payment_status: Mapped[str] = mapped_column(text(20))
    currency: Mapped[str] = mapped_column(text(10))
    total_amount: Mapped[MoneyColumn]
    total_paid: Mapped[MoneyColumn]
    total_refund: Mapped[MoneyColumn]
    created_at: Mapped[TimeColumn]
    updated_at: Mapped[TimeColumn]
