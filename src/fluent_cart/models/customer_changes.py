"""The changes of customers, for clients that keep a copy. Triggers record them.

See docs/decisions.md#173-changes.
"""

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from fluent_cart.models.base import Base, IdType, PrimaryKey, TimeColumn, text


class CustomerChange(Base):
    """A change of a customer, who may be deleted.

    ``xid`` is the id of the transaction on PostgreSQL, and 0 on SQLite. Changes are in the order of (``xid``,
    ``id``). AUTOINCREMENT would make an update on SQLite a tenth slower, so the newest change always stays.
    """

    __tablename__ = "customer_changes"
    __table_args__ = (Index("ix_customer_changes_xid", "xid", "id"),)

    id: Mapped[PrimaryKey]
    xid: Mapped[int] = mapped_column(BigInteger)
    customer_id: Mapped[int] = mapped_column(IdType)
    # Without a check, because it would take a fifth of the time in which PostgreSQL records a change.
    kind: Mapped[str] = mapped_column(text(20))
    # The customer that has the data of a merged customer.
    survivor_id: Mapped[int | None] = mapped_column(IdType)
    created_at: Mapped[TimeColumn]


class CustomerChangeLog(Base):
    """The one row about all changes: the epoch of the shop, and the place up to which they were purged."""

    __tablename__ = "customer_change_log"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[PrimaryKey]
    # A restored shop gets another epoch, because it may lack changes that clients have seen.
    epoch: Mapped[str] = mapped_column(text(32))
    purged_xid: Mapped[int] = mapped_column(BigInteger)
    purged_id: Mapped[int] = mapped_column(BigInteger)
