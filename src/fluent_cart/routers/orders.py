"""/customers/{customerId}/orders, and two routes of the live plugin's own.

See docs/decisions.md#75-routes-of-the-plugin.
"""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from fluent_cart.auth.policies import can_manage, can_view
from fluent_cart.errors import CustomerNotFound
from fluent_cart.http.dependencies import BulkConnection, ScanConnection
from fluent_cart.http.parameters import CustomerId, page_headers
from fluent_cart.http.responses import envelope, message_with
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.schemas.orders import OrderListQuery, OrderListResponse
from fluent_cart.services import orders

router = ApiRouter(tags=["Orders"])


@router.get(
    "/{customerId}/orders",
    summary="Get Customer Orders",
    response_description="The orders of the customer",
    dependencies=[can_view],
    response_model=OrderListResponse,
    responses=documented(CustomerNotFound),
)
def list_customer_orders(
    request: Request,
    customer_id: CustomerId,
    query: Annotated[OrderListQuery, Query()],
    connection: ScanConnection,
) -> Response:
    """Get all orders of a specific customer, oldest first unless `order_by` and `order_type` are set.

    The response has all orders, or one page if `page` or `per_page` is sent. The API does not create orders.
    An import does.
    """
    headers, items = _list_orders(request, customer_id, query, connection)
    return envelope(headers, orders=items)


@router.get("/{customerId}/order", dependencies=[can_view], include_in_schema=False)
def list_orders_as_the_plugin(
    request: Request,
    customer_id: CustomerId,
    query: Annotated[OrderListQuery, Query()],
    connection: ScanConnection,
) -> Response:
    """Get the same orders in ``data.data``, where the plugin's clients look for them."""
    headers, items = _list_orders(request, customer_id, query, connection)
    return envelope(headers, data=items)


def _list_orders(
    request: Request, customer_id: int, query: OrderListQuery, connection: ScanConnection
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    items, total = orders.list_orders(connection, customer_id, query)
    return page_headers(request, query.page, query.per_page or total, total), items


@router.post("/{customerId}/recalculate-ltv", dependencies=[can_manage], include_in_schema=False)
def recalculate_lifetime_value(customer_id: CustomerId, connection: BulkConnection) -> Response:
    """Compute a customer's totals again from its orders."""
    customer = orders.recalculate_one(connection, customer_id)
    return message_with("Lifetime value recalculated successfully", customer=customer)
