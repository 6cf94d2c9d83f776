"""PostgreSQL: the texts to search are in a narrow table, as on SQLite, and its rows follow by triggers.

An exact total reads the texts of all matches, which are on half as many pages as the customers, and an update
of other columns no longer changes the index of trigrams.

The table is filled and indexed while the shop is served. Then requests wait a moment, until the changes of
that time are copied, too. The triggers of migration 0018 recorded them.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

TABLE = "customers_search"
LOCK_SECONDS = 0.2
OLD_INDEX = "ix_customers_search_text"
FILL = "INSERT INTO customers_search (id, search_text) SELECT c.id, c.search_text FROM customers c"
# Every transaction with a lower id is over, so a table that is filled from now on shows what it changed.
OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
# Changes are purged by transactions that change this row.
KEEP_CHANGES = "SELECT FROM customer_change_log FOR UPDATE"
CHANGED = "(SELECT customer_id FROM customer_changes WHERE xid >= {oldest})"
START = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
END = "RETURN NULL; END $$"
# Of inserts and deletes once for each statement, because imports, copies and bulk actions change many rows.
TRIGGERS = (
    f"""
    CREATE FUNCTION customers_search_insert() {START}
        INSERT INTO customers_search (id, search_text) SELECT id, search_text FROM changed;
    {END}
    """,  # noqa: S608  # names of ours
    f"""
    CREATE FUNCTION customers_search_update() {START}
        UPDATE customers_search SET search_text = NEW.search_text WHERE id = NEW.id;
    {END}
    """,  # noqa: S608  # names of ours
    f"""
    CREATE FUNCTION customers_search_delete() {START}
        DELETE FROM customers_search WHERE id IN (SELECT id FROM changed);
    {END}
    """,  # noqa: S608  # names of ours
    """
    CREATE TRIGGER customers_search_insert AFTER INSERT ON customers
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION customers_search_insert()
    """,
    """
    CREATE TRIGGER customers_search_update AFTER UPDATE OF search_text ON customers
    FOR EACH ROW WHEN (OLD.search_text <> NEW.search_text) EXECUTE FUNCTION customers_search_update()
    """,
    """
    CREATE TRIGGER customers_search_delete AFTER DELETE ON customers
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION customers_search_delete()
    """,
)


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("search_text", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers_search"),
    )
    # By the usual hundred texts, PostgreSQL takes a term that one customer in fifty has for a rare one, and
    # looks up each match of a filtered search: 137 ms in place of 31.
    op.execute(f"ALTER TABLE {TABLE} ALTER COLUMN search_text SET STATISTICS 1000")
    connection = op.get_bind()
    op.execute(KEEP_CHANGES)
    oldest = connection.scalar(sa.text(OLDEST))
    op.execute(FILL)
    _create_index("ix_customers_search_search_text", TABLE)
    _lock_customers(connection)
    changed = CHANGED.format(oldest=oldest)
    op.execute(f"DELETE FROM customers_search WHERE id IN {changed}")  # noqa: S608  # names of ours
    op.execute(f"{FILL} WHERE c.id IN {changed}")
    for statement in TRIGGERS:
        op.execute(statement)
    op.drop_index(OLD_INDEX, "customers")


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER {TABLE}_{event} ON customers")
        op.execute(f"DROP FUNCTION {TABLE}_{event}")
    op.drop_table(TABLE)
    _create_index(OLD_INDEX, "customers")


def _lock_customers(connection: sa.Connection) -> None:
    """Take the lock that DROP INDEX needs.

    A weaker lock that gets stronger is a deadlock with a transaction that has read a customer and waits to
    write. Requests wait behind this lock, so they have their turn as long as an export holds the table.
    """
    connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)}"))
    while True:
        try:
            with connection.begin_nested():
                connection.execute(sa.text("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"))
        except sa.exc.OperationalError:
            time.sleep(LOCK_SECONDS)
        else:
            break
    connection.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))


def _create_index(name: str, table: str) -> None:
    op.create_index(
        name,
        table,
        ["search_text"],
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
