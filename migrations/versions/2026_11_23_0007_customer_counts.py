"""The number of customers is kept, so that no list counts them.

On PostgreSQL it is spread over several rows, of which each session has one: inserts that wait for a commit
would otherwise queue on a single row. SQLite has one writer, and needs one row.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

SHARDS = 16  # the trigger function below has this number, too

SQLITE = (
    """
    CREATE TRIGGER customer_counts_insert AFTER INSERT ON customers BEGIN
        UPDATE customer_counts SET count = count + 1;
    END
    """,
    """
    CREATE TRIGGER customer_counts_delete AFTER DELETE ON customers BEGIN
        UPDATE customer_counts SET count = count - 1;
    END
    """,
)
# Once for each statement, not for each row: bulk actions and copies touch many.
POSTGRESQL = (
    """
    CREATE FUNCTION customer_counts_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        change bigint;
    BEGIN
        SELECT count(*) INTO change FROM changed;
        IF TG_OP = 'DELETE' THEN
            change := -change;
        END IF;
        UPDATE customer_counts SET count = count + change WHERE id = pg_backend_pid() % 16;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER customer_counts_insert AFTER INSERT ON customers
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION customer_counts_change()
    """,
    """
    CREATE TRIGGER customer_counts_delete AFTER DELETE ON customers
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION customer_counts_change()
    """,
)


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    counts = op.create_table(
        "customer_counts",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer_counts"),
        # Room on each page for new versions of its rows: they change with every customer.
        postgresql_with={"fillfactor": 20},
    )
    op.bulk_insert(counts, [{"id": shard, "count": 0} for shard in range(SHARDS if on_postgresql else 1)])
    op.execute("UPDATE customer_counts SET count = (SELECT count(*) FROM customers) WHERE id = 0")
    for statement in POSTGRESQL if on_postgresql else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for event in ("insert", "delete"):
        op.execute(f"DROP TRIGGER customer_counts_{event}" + (" ON customers" if on_postgresql else ""))
    if on_postgresql:
        op.execute("DROP FUNCTION customer_counts_change")
    op.drop_table("customer_counts")
