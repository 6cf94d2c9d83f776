"""Every change of a customer is recorded by triggers, so that a client can keep a copy of the shop.

On PostgreSQL each change has the id of its transaction: sequences give numbers out before transactions
commit, so their order is not that of commits. SQLite has one writer at a time, and needs no such id.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
SHOWN = (
    "email", "first_name", "last_name", "phone", "status", "user_id", "additional_info", "total_spent",
    "order_count", "first_order_at", "last_order_at", "created_at", "updated_at",
)  # fmt: skip
EVENTS = {"insert": "created", "update": "updated", "delete": "deleted"}
ROWS = {"insert": "new", "update": "new", "delete": "old"}


def sqlite_triggers() -> list[str]:
    moment = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
    differs = " OR ".join(f"old.{name} IS NOT new.{name}" for name in SHOWN)
    found = []
    for event, kind in EVENTS.items():
        condition = f"WHEN {differs}" if event == "update" else ""
        found.append(f"""
            CREATE TRIGGER record_customer_{event} AFTER {event.upper()} ON customers {condition} BEGIN
                INSERT INTO customer_changes (xid, customer_id, kind, created_at)
                VALUES (0, {ROWS[event]}.id, '{kind}', {moment});
            END
        """)  # noqa: S608  # names of ours
        # The addresses of a deleted customer are deleted after the customer.
        found.append(f"""
            CREATE TRIGGER record_customer_address_{event} AFTER {event.upper()} ON customer_addresses BEGIN
                INSERT INTO customer_changes (xid, customer_id, kind, created_at)
                SELECT 0, id, 'updated', {moment} FROM customers WHERE id = {ROWS[event]}.customer_id;
            END
        """)  # noqa: S608  # names of ours
    return found


def postgresql_triggers() -> list[str]:
    differs = " OR ".join(
        f"OLD.{name}{cast} IS DISTINCT FROM NEW.{name}{cast}"
        for name in SHOWN
        for cast in ("::text" if name == "additional_info" else "",)
    )
    columns = "INSERT INTO customer_changes (xid, customer_id, kind, created_at)"
    stamp = "pg_current_xact_id()::text::bigint"
    found = [
        f"""
        CREATE FUNCTION record_customer_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {columns} VALUES ({stamp}, coalesce(NEW.id, OLD.id), TG_ARGV[0], now());
            RETURN NULL;
        END $$
        """,
        f"""
        CREATE FUNCTION record_customer_address_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {columns} SELECT {stamp}, id, 'updated', now() FROM customers
            WHERE id = coalesce(NEW.customer_id, OLD.customer_id);
            RETURN NULL;
        END $$
        """,  # noqa: S608  # names of ours
    ]
    for event, kind in EVENTS.items():
        condition = f"WHEN ({differs})" if event == "update" else ""
        found.append(f"""
            CREATE TRIGGER record_customer_{event} AFTER {event.upper()} ON customers FOR EACH ROW {condition}
            EXECUTE FUNCTION record_customer_change('{kind}')
        """)
        found.append(f"""
            CREATE TRIGGER record_customer_address_{event} AFTER {event.upper()} ON customer_addresses
            FOR EACH ROW EXECUTE FUNCTION record_customer_address_change()
        """)
    return found


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    op.create_table(
        "customer_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("xid", sa.BigInteger, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column(
            "kind", sa.String(20).with_variant(sa.String(20, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("survivor_id", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer_changes"),
    )
    op.create_index("ix_customer_changes_xid", "customer_changes", ["xid", "id"])
    state = op.create_table(
        "customer_change_log",
        sa.Column("id", ID, nullable=False),
        sa.Column(
            "epoch", sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("purged_xid", sa.BigInteger, nullable=False),
        sa.Column("purged_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer_change_log"),
        sqlite_autoincrement=True,
    )
    op.bulk_insert(state, [{"id": 1, "epoch": uuid4().hex, "purged_xid": 0, "purged_id": 0}])
    for statement in postgresql_triggers() if on_postgresql else sqlite_triggers():
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for event in EVENTS:
        for name, table in (("customer", "customers"), ("customer_address", "customer_addresses")):
            op.execute(f"DROP TRIGGER record_{name}_{event}" + (f" ON {table}" if on_postgresql else ""))
    if on_postgresql:
        op.execute("DROP FUNCTION record_customer_change")
        op.execute("DROP FUNCTION record_customer_address_change")
    op.drop_table("customer_change_log")
    op.drop_table("customer_changes")
