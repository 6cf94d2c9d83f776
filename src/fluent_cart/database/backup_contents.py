"""The tables that every backup of a shop has, and the counts of their rows."""

from collections.abc import Collection, Mapping
from pathlib import Path

from sqlalchemy import Connection, func, select, table

# Every shop has these tables, from the first version on.
VERSION = "alembic_version"
SHOP_TABLES = ("users", "application_passwords", "customers", "customer_addresses", "orders")

# The number of rows in each table of SHOP_TABLES.
Counts = Mapping[str, int]


class BackupError(Exception):
    """The shop cannot be backed up or restored. The text names the reason."""


def count_rows(connection: Connection) -> Counts:
    """Return the counts of a shop's rows."""
    return {
        name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in SHOP_TABLES
    }


def require_tables(found: Collection[str], source: Path | str) -> None:
    """Raise ``BackupError`` if one of the tables of a shop is missing."""
    if missing := [name for name in (VERSION, *SHOP_TABLES) if name not in found]:
        raise BackupError(f"There is no shop in {source}: it has no table {missing[0]}")


def require_version(counts: Counts, source: Path | str) -> Counts:
    """Return the counts of a shop's tables. Without a version, no migration could start from it."""
    if not counts[VERSION]:
        raise BackupError(f"There is no shop in {source}: its table {VERSION} is empty")
    return {name: counts[name] for name in SHOP_TABLES}
