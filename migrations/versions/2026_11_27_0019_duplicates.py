"""Duplicates are found by keys in indexes, and a merged customer is answered with its survivor.

Phones and mailboxes are columns. A full name with a postcode is of an address and its customer, so triggers
keep these keys in a table of their own. The functions are copies of those in ``services``, because a
migration does not change later.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

BATCH = 1000
MIN_DIGITS = 7
KEYS = ("phone_key", "mailbox_key")
CUSTOMERS = sa.table("customers", *(sa.column(name) for name in ("id", "phone", "email_key", *KEYS)))
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TIME = sa.String(20).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")

# Of the address ``a`` and its customer ``c``: the same text on both databases.
POSTCODE = "upper(replace(replace(a.postcode, ' ', ''), '-', ''))"
INSERT = f"""
    INSERT INTO customer_name_postcodes (address_id, customer_id, name_postcode_key)
    SELECT a.id, c.id, c.first_name_key || ' ' || c.last_name_key || ' ' || {POSTCODE}
    FROM {{addresses}} a JOIN customers c ON c.id = a.customer_id
    WHERE c.first_name_key <> '' AND c.last_name_key <> '' AND {POSTCODE} <> ''
"""  # noqa: S608  # names of ours
OF_CUSTOMER = "address_id IN (SELECT id FROM customer_addresses WHERE customer_id = {row}.id)"
ALL = INSERT.format(addresses="customer_addresses")


def sqlite_triggers() -> list[str]:
    delete = "DELETE FROM customer_name_postcodes WHERE"
    return [
        f"""
        CREATE TRIGGER keep_name_postcodes_insert AFTER INSERT ON customer_addresses BEGIN
            {ALL} AND a.id = new.id;
        END
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_update AFTER UPDATE OF postcode, customer_id ON customer_addresses
        WHEN old.postcode <> new.postcode OR old.customer_id <> new.customer_id BEGIN
            {delete} address_id = new.id;
            {ALL} AND a.id = new.id;
        END
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_delete AFTER DELETE ON customer_addresses BEGIN
            {delete} address_id = old.id;
        END
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_name AFTER UPDATE OF first_name_key, last_name_key ON customers
        WHEN old.first_name_key <> new.first_name_key OR old.last_name_key <> new.last_name_key BEGIN
            {delete} {OF_CUSTOMER.format(row="new")};
            {ALL} AND c.id = new.id;
        END
        """,
    ]


def postgresql_triggers() -> list[str]:
    delete = "DELETE FROM customer_name_postcodes WHERE"
    start = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    end = "RETURN NULL; END $$"
    call = "EXECUTE FUNCTION keep_name_postcodes"
    return [
        # Once for each statement, because imports and copies store many rows.
        f"""
        CREATE FUNCTION keep_name_postcodes_insert() {start}
            {INSERT.format(addresses="changed")};
        {end}
        """,
        f"""
        CREATE FUNCTION keep_name_postcodes_delete() {start}
            {delete} address_id IN (SELECT id FROM changed);
        {end}
        """,  # noqa: S608  # names of ours
        f"""
        CREATE FUNCTION keep_name_postcodes_update() {start}
            {delete} address_id = NEW.id;
            {ALL} AND a.id = NEW.id;
        {end}
        """,
        f"""
        CREATE FUNCTION keep_name_postcodes_name() {start}
            {delete} {OF_CUSTOMER.format(row="NEW")};
            {ALL} AND c.id = NEW.id;
        {end}
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_insert AFTER INSERT ON customer_addresses
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT {call}_insert()
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_delete AFTER DELETE ON customer_addresses
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT {call}_delete()
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_update AFTER UPDATE OF postcode, customer_id ON customer_addresses
        FOR EACH ROW WHEN (OLD.postcode <> NEW.postcode OR OLD.customer_id <> NEW.customer_id) {call}_update()
        """,
        f"""
        CREATE TRIGGER keep_name_postcodes_name AFTER UPDATE OF first_name_key, last_name_key ON customers
        FOR EACH ROW WHEN (OLD.first_name_key <> NEW.first_name_key OR OLD.last_name_key <> NEW.last_name_key)
        {call}_name()
        """,
    ]


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    text = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")
    for key in KEYS:
        op.add_column("customers", sa.Column(key, text, server_default=sa.text("''"), nullable=False))
    _fill(op.get_bind())
    for key in KEYS:
        where = sa.text(f"{key} <> ''")
        op.create_index(
            f"ix_customers_{key}", "customers", [key, "id"], sqlite_where=where, postgresql_where=where
        )
    op.create_table(
        "merged_customers",
        sa.Column("id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("survivor_id", ID, nullable=False),
        sa.Column("merged_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["survivor_id"],
            ["customers.id"],
            name="fk_merged_customers_survivor_id_customers",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_merged_customers"),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_merged_customers_customer_id", "merged_customers", ["customer_id"], unique=True)
    op.create_index("ix_merged_customers_survivor_id", "merged_customers", ["survivor_id"])
    op.create_table(
        "customer_name_postcodes",
        sa.Column("address_id", ID, nullable=False, autoincrement=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column(
            "name_postcode_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.PrimaryKeyConstraint("address_id", name="pk_customer_name_postcodes"),
    )
    op.execute(ALL)
    columns = ["name_postcode_key", "customer_id"]
    op.create_index("ix_customer_name_postcodes_key", "customer_name_postcodes", columns)
    for statement in postgresql_triggers() if on_postgresql else sqlite_triggers():
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    for event in ("insert", "update", "delete", "name"):
        table = "customers" if event == "name" else "customer_addresses"
        op.execute(f"DROP TRIGGER keep_name_postcodes_{event}" + (f" ON {table}" if on_postgresql else ""))
        if on_postgresql:
            op.execute(f"DROP FUNCTION keep_name_postcodes_{event}")
    op.drop_table("customer_name_postcodes")
    op.drop_table("merged_customers")
    for key in KEYS:
        op.drop_index(f"ix_customers_{key}", "customers")
        op.drop_column("customers", key)


def _fill(connection: sa.Connection) -> None:
    values: dict[str, Any] = {key: sa.bindparam(f"new_{key}") for key in KEYS}
    change = sa.update(CUSTOMERS).where(CUSTOMERS.c.id == sa.bindparam("row")).values(values)
    last = 0
    while batch := _after(connection, last):
        last = batch[-1].id
        keys = [(row.id, _phone_key(row.phone or ""), _mailbox_key(row.email_key)) for row in batch]
        changed = [
            {"row": row_id, "new_phone_key": phone, "new_mailbox_key": mailbox}
            for row_id, phone, mailbox in keys
            if phone or mailbox
        ]
        if changed:
            connection.execute(change, changed)


def _after(connection: sa.Connection, last: int) -> Sequence[sa.Row[int, str | None, str]]:
    wanted = sa.select(CUSTOMERS.c.id, CUSTOMERS.c.phone, CUSTOMERS.c.email_key)
    return connection.execute(wanted.where(CUSTOMERS.c.id > last).order_by(CUSTOMERS.c.id).limit(BATCH)).all()


def _phone_key(phone: str) -> str:
    plain = "".join(_ascii_digit(character) for character in unicodedata.normalize("NFKD", phone))
    number = re.sub("[^0-9]", "", plain).lstrip("0")
    return number[:255] if len(number) >= MIN_DIGITS else ""


def _ascii_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if unicodedata.category(character) == "Nd" else character


def _mailbox_key(email_key: str) -> str:
    mailbox, at, domain = email_key.partition("@")
    name, plus, _ = mailbox.partition("+")
    return f"{name}{at}{domain}" if name and plus else ""
