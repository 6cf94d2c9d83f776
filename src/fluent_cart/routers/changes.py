"""/customers/changes."""

from functools import partial
from typing import Annotated

from fastapi import Query, Request, Response

from fluent_cart.auth.policies import can_view
from fluent_cart.errors import CursorExpired
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.http.long_poll import wait_until
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.openapi.introduction import BEYOND
from fluent_cart.schemas.changes import ChangeListResponse, ChangesQuery
from fluent_cart.services import changes

router = ApiRouter(tags=[BEYOND])


@router.get(
    "/changes",
    summary="List Customer Changes",
    response_description="The changes after the cursor, and the cursor for the next request",
    dependencies=[can_view],
    response_model=ChangeListResponse,
    responses=documented(CursorExpired),
)
async def list_customer_changes(
    request: Request, query: Annotated[ChangesQuery, Query()], database: DatabaseDep
) -> Response:
    """List the changes after a cursor: created, updated, merged, erased and deleted customers.

    Send the first request without `after`, and store `cursor`. Then read the whole list, and repeat: request
    the changes after the cursor, apply them, store the new cursor. Changes of addresses and totals are
    included. `customer` may be newer than the change.
    """
    await wait_until(request, query.seconds, partial(database.read, changes.has_changes, query))
    # On the primary: the client waits for the newest change, and was sent here by a look-up of the primary.
    page = await database.scan(changes.read_changes, query)
    return envelope(changes=page.changes, cursor=page.cursor, has_more=page.has_more)
