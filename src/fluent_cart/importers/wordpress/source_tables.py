"""The tables of a WordPress shop that the import reads, and their columns."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Absent(Enum):
    """The value of a column that a table of the source does not have. It is not NULL."""

    ABSENT = "absent"


# A row of any source: the columns of its kind, in their order, as text.
Row = tuple[str | Absent | None, ...]


class Change(Enum):
    """A change of a whole table, in the place of a row."""

    EMPTY = "the table has no rows from here on"
    DROP = "the table does not exist from here on"
    # The treatment of a row with an existing id: it is reported, the first one stays, or the last one stays.
    REPORT_REPEATED = "INSERT"
    KEEP_FIRST = "INSERT IGNORE"
    KEEP_LAST = "REPLACE"


@dataclass(frozen=True)
class RefuseRepeated:
    """The source cannot be imported if an id of the table was repeated. The text names the reason."""

    reason: str


Item = Row | Change | RefuseRepeated


class SourceError(Exception):
    """The source cannot be imported. The text has the reason and advice."""


class Kind(NamedTuple):
    """A table without its prefix: its name during the import, its id, and its other columns."""

    name: str
    id: str
    # Numbers that name a row of another table, or are counted with.
    numbers: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.id, *self.numbers, *self.texts)

    @property
    def absent(self) -> Absent:
        """Return the value of a column that the source does not have."""
        return Absent.ABSENT


# By the name behind the prefix. The users' tables come last: on a network of sites their prefix is shorter.
KINDS = {
    "fct_customers": Kind(
        "customers",
        "id",
        ("user_id", "purchase_count", "ltv"),
        (
            *("email", "first_name", "last_name", "status", "notes", "country", "city", "state", "postcode"),
            *("first_purchase_date", "last_purchase_date", "created_at", "updated_at"),
        ),
    ),
    "fct_customer_addresses": Kind(
        "customer_addresses",
        "id",
        ("customer_id", "is_primary"),
        (
            *("type", "status", "name", "address_1", "address_2", "city", "state", "postcode", "country"),
            *("phone", "meta", "created_at", "updated_at"),
        ),
    ),
    "fct_customer_meta": Kind("customer_meta", "id", ("customer_id",), ("meta_key", "meta_value")),
    "fct_orders": Kind(
        "orders",
        "id",
        ("customer_id",),
        (
            *("status", "mode", "payment_status", "currency", "total_amount", "total_paid", "total_refund"),
            *("created_at", "updated_at"),
        ),
    ),
    "fct_label": Kind("labels", "id", (), ("value",)),
    "fct_label_relationships": Kind(
        "label_relationships", "id", ("label_id", "labelable_id"), ("labelable_type",)
    ),
    "users": Kind(
        "users",
        "id",
        ("spam", "deleted"),
        ("user_login", "user_pass", "user_email", "display_name", "user_registered"),
    ),
    "usermeta": Kind("usermeta", "umeta_id", ("user_id",), ("meta_key", "meta_value")),
    "sitemeta": Kind("sitemeta", "meta_id", (), ("meta_key", "meta_value")),
}
CUSTOMERS = "fct_customers"
OF_USERS = ("users", "usermeta", "sitemeta")
# Only networks of sites have these.
OPTIONAL = {"sitemeta", "spam", "deleted"}
# Without these columns a table is another plugin's.
REQUIRED = {
    "customers": {"id", "email"},
    "customer_addresses": {"id", "customer_id", "address_1"},
    "customer_meta": {"id", "customer_id", "meta_key", "meta_value"},
    "orders": {"id", "customer_id", "payment_status", "total_amount", "total_paid", "total_refund"},
    "labels": {"id", "value"},
    "label_relationships": {"id", "label_id", "labelable_id", "labelable_type"},
    "users": {"id", "user_login", "user_email"},
    "usermeta": {"umeta_id", "user_id", "meta_key", "meta_value"},
    "sitemeta": {"meta_id", "meta_key", "meta_value"},
}


def kind_of(table: str, prefix: str | None = None) -> Kind | None:
    """Return the kind of ``table`` if it may be imported, with any prefix unless one is set."""
    for suffix, kind in KINDS.items():
        if table.endswith(suffix):
            before = table.removesuffix(suffix)
            wanted = before if prefix is None else prefix
            if before == wanted or (suffix in OF_USERS and before == network_prefix(wanted)):
                return kind
    return None


def network_prefix(prefix: str) -> str:
    """Return the prefix of the users' tables: on a network of sites they are those of the first one."""
    return re.sub(r"\d+_$", "", prefix)


def find_prefix(tables: Iterable[str], prefix: str | None = None) -> str:
    """Return the prefix of the one shop among ``tables``. Raise ``SourceError`` if there is not one."""
    found = sorted(table.removesuffix(CUSTOMERS) for table in tables if table.endswith(CUSTOMERS))
    if prefix is not None:
        if prefix in found:
            return prefix
        raise SourceError(f"There is no table {prefix}{CUSTOMERS}{_others(found)}")
    if not found:
        raise SourceError(f"There is no FluentCart shop in it: no table's name ends with {CUSTOMERS}")
    if len(found) > 1:
        raise SourceError(f"The source holds several shops. Choose one with --prefix: {', '.join(found)}")
    return found[0]


def _others(prefixes: list[str]) -> str:
    return f". The prefixes found are: {', '.join(prefixes)}" if prefixes else ""


def require_columns(table: str, kind: Kind, columns: Iterable[str]) -> None:
    """Raise ``SourceError`` if ``table`` lacks a required column."""
    missing = REQUIRED[kind.name] - {column.lower() for column in columns}
    if missing:
        raise SourceError(f"The table {table} has no column {sorted(missing)[0]}")
