"""Dependencies that any route may use."""

from typing import Annotated

from fastapi import Depends, Request

from fluent_cart.database import Database


async def get_database(request: Request) -> Database:
    """Return the application's database, as a dependency."""
    database: Database = request.app.state.database
    return database


DatabaseDep = Annotated[Database, Depends(get_database)]
