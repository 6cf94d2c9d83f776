"""Searches find a part of a text by index: by its trigrams, on either database.

On SQLite the index is a table of its own that triggers keep. It knows the places of trigrams (detail=full, by
default): a longer term is a phrase of them, and every hit is exact. On PostgreSQL it needs pg_trgm, which the
owner of a database may create.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

SQLITE = (
    """
    CREATE VIRTUAL TABLE customers_search USING fts5 (
        search_text, content='customers', content_rowid='id', tokenize='trigram case_sensitive 1'
    )
    """,
    "INSERT INTO customers_search (customers_search) VALUES ('rebuild')",
    """
    CREATE TRIGGER customers_search_insert AFTER INSERT ON customers BEGIN
        INSERT INTO customers_search (rowid, search_text) VALUES (new.id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER customers_search_update AFTER UPDATE OF search_text ON customers
    WHEN old.search_text <> new.search_text BEGIN
        INSERT INTO customers_search (customers_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
        INSERT INTO customers_search (rowid, search_text) VALUES (new.id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER customers_search_delete AFTER DELETE ON customers BEGIN
        INSERT INTO customers_search (customers_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
    END
    """,
)
POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX ix_customers_search_text ON customers USING gin (search_text gin_trgm_ops)",
)


def upgrade() -> None:
    for statement in POSTGRESQL if op.get_context().dialect.name == "postgresql" else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        # The extension stays: others may use it.
        op.execute("DROP INDEX ix_customers_search_text")
        return
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER customers_search_{event}")
    op.execute("DROP TABLE customers_search")
