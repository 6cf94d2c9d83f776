"""Customers that were merged into others.

See docs/decisions.md#183-merge.
"""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, IdType, PrimaryKey, TimeColumn


class MergedCustomer(Base):
    """The id of a merged customer, and the id of the customer that has its data now.

    A survivor that is merged itself is replaced by its own survivor, so that one look-up finds the last one.
    """

    __tablename__ = "merged_customers"
    __table_args__ = (
        Index("uq_merged_customers_customer_id", "customer_id", unique=True),
        Index("ix_merged_customers_survivor_id", "survivor_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[PrimaryKey]
    # Never the id of a customer again.
    customer_id: Mapped[int] = mapped_column(IdType)
    survivor_id: Mapped[int] = mapped_column(IdType, ForeignKey("customers.id", ondelete="CASCADE"))
    merged_at: Mapped[TimeColumn]
