"""Remove expired rows of a table in batches.

See docs/decisions.md#129-expired-rows.
"""

from sqlalchemy import ColumnElement, Connection, delete, select

from fluent_cart.models import IdempotencyKey, Session


def remove_oldest(
    connection: Connection,
    model: type[IdempotencyKey] | type[Session],
    is_expired: ColumnElement[bool],
    time: ColumnElement[str],
    limit: int,
) -> int:
    """Remove up to ``limit`` expired rows, the oldest by ``time`` first. Return how many were removed."""
    # SKIP LOCKED, because another transaction is about to remove those rows.
    oldest = select(model.id).where(is_expired).order_by(time).limit(limit).with_for_update(skip_locked=True)
    # Not a subquery of DELETE, because PostgreSQL may run that once for each row, and then remove more rows.
    ids = connection.scalars(oldest).all()
    if ids:
        connection.execute(delete(model).where(model.id.in_(ids)))
    return len(ids)
