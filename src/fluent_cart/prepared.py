"""Selects that are compiled once and then run on the driver's own connection: the hottest reads.

SQLAlchemy takes more time to look up a statement and to wrap its result than a database takes to answer a
look-up. What is left of it here is the text of the statement and the conversion of values.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Select

Rows = list[tuple[Any, ...]]


class Prepared:
    """A select with bound parameters; ``rows`` runs it.

    It answers the same rows as ``connection.execute(select, values)`` does, as plain tuples.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        self._plans: dict[str, _Plan] = {}

    def rows(self, connection: Connection, **values: Any) -> Rows:
        """Run the select with ``values`` for its parameters."""
        dialect = connection.dialect
        plan = self._plans.get(dialect.name)
        if plan is None:
            plan = self._plans[dialect.name] = _Plan(self.statement, dialect)
        driver: Any = connection.connection.driver_connection
        try:
            found = driver.execute(plan.text, plan.parameters(values)).fetchall()
        except dialect.loaded_dbapi.Error as error:
            # What SQLAlchemy itself does: wrap it, and drop the connection if it is lost.
            connection._handle_dbapi_exception(error, plan.text, None, None, None)
        return plan.converted(found) if plan.converters else found


class _Plan:
    """A select as one dialect wants it."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup if compiled.positional else None
        # Values that are part of the select itself.
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._binders: dict[str, Any] = dict(compiled._bind_processors)
        self.converters: list[tuple[int, Callable[[Any], Any]]] = []
        for place, column in enumerate(statement.selected_columns):
            if convert := column.type.dialect_impl(dialect).result_processor(dialect, None):
                self.converters.append((place, convert))

    def parameters(self, values: dict[str, Any]) -> Any:
        given = self._constants | values
        for name, bind in self._binders.items():
            given[name] = bind(given[name])
        return given if self._names is None else [given[name] for name in self._names]

    def converted(self, rows: Rows) -> Rows:
        changed = []
        for row in rows:
            values = list(row)
            for place, convert in self.converters:
                values[place] = convert(values[place])
            changed.append(tuple(values))
        return changed
