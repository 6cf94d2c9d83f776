"""Find the owners of unique values, such as e-mail addresses, in the shop."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from fluent_cart.importers.wordpress.row_values import moment
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.models import Base


class Claimed(NamedTuple):
    """A unique column: its model, its expression, and the rows of the source with it."""

    model: type[Base]
    expression: ColumnElement[Any]
    kind: str
    created: str


class Conflicts(NamedTuple):
    """Rows here with values of rows of the source."""

    # The values that stay with rows here.
    kept: set[Any]
    # The ids of rows that came from the source and will get another value from it.
    reassigned: list[int]


async def find_conflicts(run: ImportContext, claimed: Claimed, wanted: Mapping[Any, int]) -> Conflicts:
    """Find the rows here with the ``wanted`` values, each for the id of a row of the source."""
    found = Conflicts(set(), [])
    for key, row_id, created_at in await run.look(_owners, claimed, list(wanted)):
        if row_id == wanted[key]:
            continue
        if run.options.update and _comes_from_source(run, claimed, row_id, created_at):
            found.reassigned.append(row_id)
        else:
            found.kept.add(key)
    return found


def _owners(connection: Connection, claimed: Claimed, keys: list[Any]) -> list[tuple[Any, int, str]]:
    columns = claimed.model.__table__.c
    statement = select(claimed.expression, columns.id, columns.created_at)
    rows = connection.execute(statement.where(claimed.expression.in_(keys)))
    return [(key, row_id, created_at) for key, row_id, created_at in rows]


def _comes_from_source(run: ImportContext, claimed: Claimed, row_id: int, created_at: str) -> bool:
    created = run.staging.value(
        f"SELECT {claimed.created} FROM {claimed.kind} WHERE id = ?",  # noqa: S608  # names of ours
        (row_id,),
    )
    return moment(created) == created_at
