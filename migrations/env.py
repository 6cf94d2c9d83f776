"""Run migrations over the caller's connection, or over a new one for the alembic command."""

from alembic import context
from sqlalchemy import Connection

from fluent_cart.database import connect
from fluent_cart.models import Base
from fluent_cart.settings import Settings


def is_modelled(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether the models have a table. Tables that only triggers write are in the migrations alone."""
    return kind != "table" or not (name or "").startswith(("customers_search", "customer_counts"))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        include_name=is_modelled,
    )
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with connect(Settings().database_url) as own:
        run(own)
