"""Shops in WordPress, made up as dumps, and an empty shop to import them into."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from fluent_cart.database import Database
from fluent_cart.importers.wordpress.shop import Options, Report, import_shop, read_source
from fluent_cart.importers.wordpress.source_tables import KINDS
from fluent_cart.models import User
from tests.support.paths import ROOT

# A whole generated shop with its issues, as mariadb-dump wrote it.
SHOP = ROOT / "tests" / "data" / "shop.sql.gz"
# The application passwords of its users, and their permissions.
LOGINS = {
    "admin": ("U4sx O6Po Y9Je 8GpT gSiI JuLE", 200, 200),
    "worker": ("cupzsT2v9q8L56PWIi4EkL13", 200, 403),
    "sub": ("l7OKK1Ln4Pd8JGQ7be1TPVB8", 403, 403),
    "editor1": ("9NlueYKvOzz05X2Mit6JqMLC", 403, 403),
    "legacy": ("bwGfoUPFCoHx5LIl8X3i85bl", 200, 200),
    "jurgen": ("MwxdGozR8PXI0OPemZo85nSc", 200, 200),
}

Tables = dict[str, list[dict[str, Any]]]
Import = Callable[..., Awaitable[Report]]

PLAIN, UPDATE, DRY_RUN = Options(), Options(update=True), Options(dry_run=True)

DEFAULTS: dict[str, dict[str, Any]] = {
    "users": {"user_login": "user{id}", "user_email": "user{id}@example.com", "display_name": "User"},
    "fct_customers": {
        "email": "customer{id}@example.com",
        "first_name": "Ann",
        "status": "active",
        "purchase_count": 0,
        "ltv": 0,
    },
    "fct_customer_addresses": {
        "customer_id": 1,
        "is_primary": 1,
        "type": "billing",
        "status": "active",
        "name": "Ann Lee",
        "address_1": "1 Main St",
        "city": "Berlin",
        "country": "DE",
    },
    "fct_orders": {
        "customer_id": 1,
        "status": "completed",
        "mode": "live",
        "payment_status": "paid",
        "currency": "USD",
        "total_amount": 1000,
        "total_paid": 1000,
        "total_refund": 0,
    },
}
DATES = ("user_registered", "created_at", "updated_at")


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


def dump_of(prefix: str = "wp_", **tables: list[dict[str, Any]]) -> str:
    """Return a dump of a shop with these rows. Columns that are left out have default values."""
    statements = ["SET NAMES utf8mb4;"]
    for suffix, kind in KINDS.items():
        name, columns = f"`{prefix}{suffix}`", kind.columns
        statements.append(f"CREATE TABLE {name} ({', '.join(f'`{column}` text' for column in columns)});")
        for number, given in enumerate(tables.get(suffix, []), start=1):
            row = {kind.id: number, **dict.fromkeys(DATES, "2024-01-01 10:00:00"), **DEFAULTS.get(suffix, {})}
            row = {column: _numbered(value, given.get(kind.id, number)) for column, value in row.items()}
            row |= given
            values = ", ".join(literal(row.get(column)) for column in columns)
            statements.append(f"INSERT INTO {name} VALUES ({values});")
    return "\n".join(statements)


def _numbered(value: Any, row_id: Any) -> Any:
    return value.replace("{id}", str(row_id)) if isinstance(value, str) else value


@pytest.fixture
async def empty(database: Database) -> Database:
    """A shop without customers."""
    await database.write(lambda connection: connection.execute(delete(User)))
    return database


@pytest.fixture
def run_import(empty: Database, tmp_path: Path) -> Import:
    """Import a dump, given as text, as the path of a file, or as the rows of its tables."""

    async def run_import(
        source: str | Path | None = None, *, options: Options = PLAIN, **tables: Any
    ) -> Report:
        if not isinstance(source, Path):
            text = source if source is not None else dump_of(**tables)
            source = tmp_path / "dump.sql"
            source.write_bytes(text.encode("utf-8", "surrogateescape"))
        rows = read_source(str(source), options.prefix, lambda _done, _total: None)
        return await import_shop(empty, rows, options, lambda _step, _done, _total: None)

    return run_import


def handled(report: Report, table: str) -> dict[str, list[int]]:
    """Return the names of the issues of a table, with the ids that have them."""
    return {issue.value: found.ids for issue, found in report.tables[table].handled.items()}


def skipped(report: Report, table: str) -> dict[str, list[int]]:
    return {issue.value: found.ids for issue, found in report.tables[table].skipped.items()}


def counts(report: Report, table: str) -> tuple[int, ...]:
    """Return how many rows were read, written, changed, unchanged, left and skipped."""
    found = report.tables[table]
    return (found.read, *found.statuses.values(), sum(reason.number for reason in found.skipped.values()))
