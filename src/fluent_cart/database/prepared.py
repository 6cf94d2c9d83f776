"""Compile statements once and run them on the driver's own connection. Most requests use these.

SQLAlchemy takes more time to look up a statement and to wrap its result than a database takes to run it. Only
the text of the statement and the conversion of values are left here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Delete, Dialect, Insert, PoolProxiedConnection, Select, Update

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
Rows = list[tuple[Any, ...]]
Record = dict[str, Any]
RecordMaker = Callable[[Iterable[Sequence[Any]]], list[Record]]


class LookupConnection(Protocol):
    """The part of a ``Connection`` that a look-up may use: prepared statements only."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def connection(self) -> PoolProxiedConnection: ...


def scanning(connection: LookupConnection) -> Connection:
    """Return the connection of a scan, which runs any statement. Raise ``TypeError`` in a look-up."""
    if not isinstance(connection, Connection):
        raise TypeError("This is a scan, so its statements are not prepared")
    return connection


class Prepared:
    """A statement with bound parameters.

    It works like ``connection.execute(statement, values)``. An insert or an update names the ``columns``
    that it sets. Their values are parameters of the same names.
    """

    def __init__(self, statement: Statement, columns: Iterable[str] = ()) -> None:
        self.statement = statement
        self._columns = list(columns) or None
        self._plans: dict[str, _Plan] = {}
        self._make_records: RecordMaker | None = None

    def rows(
        self, connection: LookupConnection, values: Mapping[str, Any] | None = None, /, **more: Any
    ) -> Rows:
        """Run the statement and return its rows, if any."""
        dialect = connection.dialect
        # Each driver has its own style of parameters.
        plan = self._plans.get(dialect.paramstyle)
        if plan is None:
            plan = self._plans[dialect.paramstyle] = _Plan(self.statement, self._columns, dialect)
        found = execute(connection, plan.text, plan.parameters({**values, **more} if values else more))
        return plan.converted(found) if plan.converters else found

    def records(
        self, connection: LookupConnection, values: Mapping[str, Any] | None = None, /, **more: Any
    ) -> list[Record]:
        """Run the statement and return each row as a dict by column names."""
        if self._make_records is None:
            self._make_records = record_maker(str(column.key) for column in self.statement.exported_columns)
        return self._make_records(self.rows(connection, values, **more))


def record_maker(keys: Iterable[str]) -> RecordMaker:
    """Return a function that converts rows to dicts with ``keys``.

    Its source text is built once, as for named tuples: a literal with fixed keys takes a third of the time of
    ``dict(zip(...))``, which was a third of the time of a list.
    """
    values = {key: f"value_{number}" for number, key in enumerate(keys)}
    pairs = ", ".join(f"{key!r}: {value}" for key, value in values.items())
    made: RecordMaker = eval(f"lambda rows: [{{{pairs}}} for {', '.join(values.values())}, in rows]")  # noqa: S307  # names of columns
    return made


def execute(connection: LookupConnection, text: str, parameters: Any = None) -> Rows:
    """Run a statement with the driver's own cursor and return its rows, if any."""
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(text, parameters) if parameters else cursor.execute(text)
        return cursor.fetchall() if cursor.description else []
    except connection.dialect.loaded_dbapi.Error as error:
        # As SQLAlchemy does: wrap the error, and drop the connection if it is lost.
        cast(Connection, connection)._handle_dbapi_exception(error, text, None, None, None)


class _Plan:
    """A statement compiled for one dialect."""

    def __init__(self, statement: Statement, columns: list[str] | None, dialect: Dialect) -> None:
        compiled = statement.compile(
            dialect=dialect, column_keys=columns, compile_kwargs={"render_postcompile": True}
        )
        self.text = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup if compiled.positional else None
        # Values that are part of the statement itself.
        self._constants = {
            name: value
            for name, value in compiled.params.items()
            if value is not None and name not in (columns or ())
        }
        self._binders: dict[str, Any] = dict(compiled._bind_processors)
        self.converters: list[tuple[int, Callable[[Any], Any]]] = []
        for place, column in enumerate(statement.exported_columns):
            if convert := column.type.dialect_impl(dialect).result_processor(dialect, None):
                self.converters.append((place, convert))

    def parameters(self, values: Mapping[str, Any]) -> Any:
        given = {**self._constants, **values}
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
