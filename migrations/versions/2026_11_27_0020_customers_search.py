"""PostgreSQL: the texts to search are in a narrow table, as on SQLite, and its rows follow by triggers.

An exact total reads the texts of all matches, which are on half as many pages as the customers, and an update
of other columns no longer changes the index of trigrams.

The table is filled and indexed while the shop is served. Then requests wait until the changes of that time
are copied, too: a second or two for a million customers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

TABLE = "customers_search"
OLD_INDEX = "ix_customers_search_text"
FILL = "INSERT INTO customers_search (id, search_text) SELECT c.id, c.search_text FROM customers c"
# Rows that were changed or deleted since the table was filled, then rows that were changed or inserted.
CATCH_UP = (
    """
    DELETE FROM customers_search s WHERE NOT EXISTS
        (SELECT FROM customers c WHERE c.id = s.id AND c.search_text = s.search_text)
    """,
    f"{FILL} WHERE NOT EXISTS (SELECT FROM customers_search s WHERE s.id = c.id)",
)
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
    op.execute(FILL)
    _create_index("ix_customers_search_search_text", TABLE)
    # At once the lock that DROP INDEX needs: a weaker lock that gets stronger is a deadlock with a
    # transaction that has read a customer and waits to write.
    op.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
    for statement in (*CATCH_UP, *TRIGGERS):
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


def _create_index(name: str, table: str) -> None:
    op.create_index(
        name,
        table,
        ["search_text"],
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
