"""/healthz: the process is alive. /readyz: it can serve requests."""

from fastapi import APIRouter, Request, Response

from fluent_cart.database.migrations import is_served_by_this_version
from fluent_cart.errors import MigrationNeeded, ServerStopping
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.http.responses import envelope

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """Return that the process is alive, without a query of the database."""
    return envelope(status="ok")


@router.get("/readyz")
async def readyz(request: Request, database: DatabaseDep) -> Response:
    """Return that the database responds and is at the newest migration, otherwise 503.

    Also 503 before shutdown.
    """
    if request.app.state.stopping:
        raise ServerStopping
    if not await database.read(is_served_by_this_version):
        raise MigrationNeeded
    return envelope(status="ready")
