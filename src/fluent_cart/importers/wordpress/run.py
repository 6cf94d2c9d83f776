"""One running import: its source, its target, and its intermediate results."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.database.retries import write_with_retry
from fluent_cart.database.transfer import advance_sequence
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.report import Report
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.staging import Staging
from fluent_cart.importers.wordpress.upsert import UpsertResult
from fluent_cart.models import Base

P = ParamSpec("P")
T = TypeVar("T")

# Rows in one transaction: few enough for a busy server, enough to share a sync to disk.
BATCH = 1000

# Called with the name of a step, its progress, and its total.
Progress = Callable[[str, int, int], None]


class Options(NamedTuple):
    prefix: str | None = None
    update: bool = False
    dry_run: bool = False
    test_orders: bool = False
    repair_text: bool = False


@dataclass
class ImportContext:
    database: Database
    staging: Staging
    report: Report
    options: Options
    prefix: str
    progress: Progress
    # The labels of customers, and their results.
    labels: dict[int, RowStatus] = field(default_factory=dict)
    # The customers who are erased here.
    erased: frozenset[int] = frozenset()

    def values(self, kind: str, row: dict[str, Any]) -> Values:
        """Return the values of a row of the source."""
        return Values(self.report, kind, row, self.staging.absent[kind])

    async def look(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a read."""
        return await self.database.scan(work, *args, **kwargs)

    async def write_batch(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a batch: as a transaction, or as a read in a dry run."""
        if self.options.dry_run:
            return await self.database.scan(work, *args, **kwargs)
        return await write_with_retry(self.database, work, *args, **kwargs)

    async def reserve_ids(self, model: type[Base], kind: str) -> None:
        """Keep a running server from using the ids of the rows to come."""
        last = self.staging.value(f"SELECT max(id) FROM {kind}")  # noqa: S608  # a name of ours
        if last and not self.options.dry_run:
            await self.write_batch(advance_sequence, Base.metadata.tables[model.__tablename__], last)

    def batches(
        self, kind: str, statement: str, parameters: Sequence[Any] = (), together: str | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a query in batches, and report the progress after each.

        Rows that follow each other with the same value of ``together`` are in the same batch.
        """
        total = self.staging.value(f"SELECT count(*) FROM {kind}")  # noqa: S608  # a name of ours
        self.progress(kind, 0, total)
        batch: list[dict[str, Any]] = []
        done = 0
        for row in self.staging.rows(statement, parameters):
            if len(batch) >= BATCH and (together is None or row[together] != batch[-1][together]):
                yield batch
                done += len(batch)
                self.progress(kind, done, total)
                batch = []
            batch.append(row)
        if batch:
            yield batch
        self.progress(kind, total, total)

    def record_result(self, kind: str, outcome: UpsertResult) -> None:
        """Report the result of a batch, and store the ids that other rows can belong to."""
        for status in outcome.statuses.values():
            self.report.status(kind, status)
        for row_id in outcome.taken:
            self.report.skip(kind, DataIssue.ID_TAKEN, row_id)
        self.staging.upsert(kind, outcome.statuses)

    def skip_orphans(self, kind: str, column: str, owners: str, where: str = "1") -> None:
        """Report the rows whose owner was not imported."""
        orphans = self.staging.rows(
            f"SELECT id FROM {kind} WHERE {where} AND NOT EXISTS"  # noqa: S608  # names of ours
            f" (SELECT 1 FROM imported WHERE kind = ? AND imported.id = {column}) ORDER BY id",
            (owners,),
        )
        for row in orphans:
            self.report.skip(kind, DataIssue.ORPHAN, row["id"])
