"""The report of an import: the number of rows of each table, and every issue by its name."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fluent_cart.importers.row_status import RowCounts, RowStatus
from fluent_cart.importers.wordpress.issues import REFUSED, DataIssue

# Ids that are listed as examples. The size of a report must not grow with the shop.
EXAMPLES = 100


@dataclass
class Found:
    """The number of rows with an issue, and examples of their ids."""

    number: int = 0
    ids: list[int] = field(default_factory=list)

    def add(self, number: int, row_id: int | None) -> None:
        self.number += number
        if row_id is not None and len(self.ids) < EXAMPLES:
            self.ids.append(row_id)


@dataclass
class TableReport(RowCounts):
    skipped: dict[DataIssue, Found] = field(default_factory=lambda: defaultdict(Found))
    handled: dict[DataIssue, Found] = field(default_factory=lambda: defaultdict(Found))

    def columns(self) -> dict[str, int]:
        return {**super().columns(), "skipped": sum(found.number for found in self.skipped.values())}


class Report:
    """Counts. Every row that is read has one status or is skipped for one reason."""

    def __init__(self) -> None:
        self.tables: dict[str, TableReport] = defaultdict(TableReport)
        # Parts that the source does not have or that cannot be read. They change nothing.
        self.missing: list[str] = []
        self.missing_columns: list[str] = []
        self.missing_lists: list[str] = []
        # Application passwords that were revoked at the source, and are now revoked here.
        self.revoked = 0
        # Customers whose totals differ in the shop, as examples.
        self.totals: list[dict[str, Any]] = []

    def read(self, table: str, number: int = 1) -> None:
        self.tables[table].read += number

    def status(self, table: str, status: RowStatus, number: int = 1) -> None:
        self.tables[table].statuses[status] += number

    def skip(self, table: str, issue: DataIssue, row_id: int | None = None, number: int = 1) -> None:
        if number:
            self.tables[table].skipped[issue].add(number, row_id)

    def note(self, table: str, issue: DataIssue, row_id: int) -> None:
        """Name an issue that was handled."""
        self.tables[table].handled[issue].add(1, row_id)

    def add_totals(self, customer_id: int, shop: Mapping[str, Any], here: Mapping[str, Any]) -> None:
        """Add a customer's totals in the shop, and the totals here."""
        if len(self.totals) < EXAMPLES:
            self.totals.append({"customer_id": customer_id, "shop": shop, "here": here})

    def refused(self) -> dict[str, int]:
        """Return the number of rejected rows of each table."""
        numbers = {
            name: sum(found.number for issue, found in table.skipped.items() if issue in REFUSED)
            for name, table in self.tables.items()
        }
        return {name: number for name, number in numbers.items() if number}

    def as_json(self) -> Mapping[str, Any]:
        """Return the whole report as plain values."""
        return {
            "refused": self.refused(),
            "missing_tables": self.missing,
            "missing_columns": self.missing_columns,
            "missing_lists": self.missing_lists,
            "revoked_application_passwords": self.revoked,
            "other_totals": self.totals,
            "tables": {
                name: {
                    **table.columns(),
                    "reasons": _as_json(table.skipped),
                    "issues": _as_json(table.handled),
                }
                for name, table in self.tables.items()
            },
        }


def _as_json(issues: Mapping[DataIssue, Found]) -> dict[str, Any]:
    return {
        issue.value: {"count": found.number, "treatment": issue.resolution, "ids": found.ids}
        for issue, found in issues.items()
    }
