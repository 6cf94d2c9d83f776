"""/customers/duplicates."""

from typing import Annotated

from fastapi import Query, Response

from fluent_cart.auth.policies import can_view
from fluent_cart.http.dependencies import ScanConnection
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.openapi.introduction import BEYOND
from fluent_cart.schemas.duplicates import DuplicateListResponse, DuplicatesQuery
from fluent_cart.services import duplicates

router = ApiRouter(tags=[BEYOND])


@router.get(
    "/duplicates",
    summary="List Duplicate Customers",
    dependencies=[can_view],
    response_model=DuplicateListResponse,
    response_description="A page of groups of customers, and the cursor of the next page",
    responses=documented(),
)
def list_duplicates(query: Annotated[DuplicatesQuery, Query()], connection: ScanConnection) -> Response:
    """List groups of customers who may be the same person.

    - `plus_address`: the email addresses are the same up to a plus, such as `ann@example.com` and
      `ann+shop@example.com`.
    - `phone`: the phone numbers have the same digits.
    - `name_and_postcode`: the full names are the same, without case and accents, and so are the postcodes of
      an address of each.

    A customer may be in several groups. Merge Customers makes one customer of two.
    """
    page = duplicates.list_duplicates(connection, query)
    return envelope(duplicates=page.duplicates, next_cursor=page.next_cursor)
