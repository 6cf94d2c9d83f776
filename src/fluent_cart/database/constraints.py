"""Convert violations of the schema to documented errors."""

import re
from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

from fluent_cart.errors import ApiError, InvalidEmail, InvalidUser
from fluent_cart.models import Base

# The schema decides a race between two requests. These are the errors of the second one.
CONSTRAINT_ERRORS: Mapping[str, type[ApiError]] = {
    "uq_customers_email": InvalidEmail,
    "uq_customers_user_id": InvalidUser,
    "fk_customers_user_id_users": InvalidUser,
}
# SQLite names the index only if it is on an expression. Otherwise it lists the columns.
_BY_COLUMNS = {
    ", ".join(f"{table.name}.{column.name}" for column in index.columns): str(index.name)
    for table in Base.metadata.tables.values()
    for index in table.indexes
    if index.unique
}


def constraint_name(error: DBAPIError) -> str | None:
    """Return the name of the violated constraint, as the migrations define it."""
    # asyncpg's own error has it. psycopg's has it in its diagnostics.
    driver = error.driver_exception
    if name := getattr(getattr(driver, "diag", driver), "constraint_name", None):
        return str(name)
    message = str(error.orig)
    if match := re.search(r"UNIQUE constraint failed: (?:index '(?P<index>\w+)'|(?P<columns>.+))", message):
        return match["index"] or _BY_COLUMNS.get(match["columns"])
    if match := re.search(r"CHECK constraint failed: (\w+)", message):
        return match[1]
    return None


class ConstraintViolation(Exception):
    """The database rejected a row that no input should be able to cause."""


def to_api_error(error: DBAPIError) -> Exception:
    """Return the documented error for a lost race, or an error that names the constraint only.

    PostgreSQL's own text has the values, and this error is logged.
    """
    name = constraint_name(error)
    documented = CONSTRAINT_ERRORS.get(name or "")
    if documented:
        return documented()
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    refused = ConstraintViolation(f"{type(error.orig).__name__} {state}, constraint {name}")
    return refused.with_traceback(error.__traceback__)
