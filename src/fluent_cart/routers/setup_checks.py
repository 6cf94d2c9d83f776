"""Two routes of the live plugin with which its clients check a connection.

See docs/decisions.md#125-set-up-checks.
"""

from typing import Annotated

from fastapi import Query, Request, Response

from fluent_cart.auth.policies import can_view
from fluent_cart.http.responses import envelope_and_top
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.introduction import TITLE
from fluent_cart.schemas.setup_checks import LabelListQuery
from fluent_cart.wordpress.paths import NAMESPACE, ROOT
from fluent_cart.wordpress.site import site_url

router = ApiRouter(tags=["Set-up checks"], prefix=f"{ROOT}/{NAMESPACE}")


@router.get("/app/init", dependencies=[can_view], include_in_schema=False)
async def get_app(request: Request) -> Response:
    """Return the name and the address of the shop."""
    shop = {"store_name": TITLE, "site_title": TITLE, "site_url": site_url(request)}
    return envelope_and_top(**shop, shop=shop)


@router.get("/labels", dependencies=[can_view], include_in_schema=False)
async def list_labels(query: Annotated[LabelListQuery, Query()]) -> Response:
    """Return an empty page of labels. This server has none."""
    return envelope_and_top(
        labels={
            "current_page": query.page,
            "data": [],
            "from": None,
            "last_page": 1,
            "per_page": query.per_page,
            "to": None,
            "total": 0,
        }
    )
