"""/healthz: the process runs. /readyz: it can serve."""

from fastapi import APIRouter, Request, Response

from fluent_cart.database.migrations import is_served_by_this_version
from fluent_cart.errors import MigrationNeeded, ServerStopping
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.http.responses import envelope

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """Tell that the process runs; the database is not asked."""
    return envelope(status="ok")


@router.get("/readyz")
async def readyz(request: Request, database: DatabaseDep) -> Response:
    """Tell that the database answers and is at the newest migration; 503 otherwise, and before the end."""
    if request.app.state.stopping:
        raise ServerStopping
    if not await database.read(is_served_by_this_version):
        raise MigrationNeeded
    return envelope(status="ready")
