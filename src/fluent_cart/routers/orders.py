"""/customers/{customerId}/orders."""

from typing import Annotated

from fastapi import Query, Request, Response

from fluent_cart.database import DatabaseDep
from fluent_cart.errors import CustomerNotFound
from fluent_cart.openapi import documented
from fluent_cart.policies import can_view
from fluent_cart.routers.parameters import CustomerId, page_headers
from fluent_cart.routing import ApiRouter
from fluent_cart.schemas.envelope import Envelope, envelope
from fluent_cart.schemas.orders import OrderListData, OrderListQuery
from fluent_cart.services import orders

router = ApiRouter(tags=["Orders"])


@router.get(
    "/{customerId}/orders",
    dependencies=[can_view],
    response_model=Envelope[OrderListData],
    responses=documented(CustomerNotFound),
)
async def list_customer_orders(
    request: Request,
    customer_id: CustomerId,
    query: Annotated[OrderListQuery, Query()],
    database: DatabaseDep,
) -> Response:
    """Get all orders of a specific customer, oldest first; page by page if a page is asked for."""
    items, total = await database.scan(orders.list_orders, customer_id, query.page, query.per_page)
    return envelope(page_headers(request, query.page, query.per_page or total, total), orders=items)
