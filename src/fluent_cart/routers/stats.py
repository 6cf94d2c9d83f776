"""/customers/get-stats/{customer}."""

from fastapi import Response

from fluent_cart.auth.policies import can_view
from fluent_cart.errors import CustomerNotFound
from fluent_cart.http.dependencies import ReadConnection
from fluent_cart.http.parameters import Customer
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.schemas.stats import StatsResponse
from fluent_cart.services import stats

router = ApiRouter(tags=["Stats"])


@router.get(
    "/get-stats/{customer}",
    summary="Get Customer Stats",
    response_description="The totals of the customer's orders",
    dependencies=[can_view],
    response_model=StatsResponse,
    responses=documented(CustomerNotFound),
)
def get_customer_stats(customer: Customer, connection: ReadConnection) -> Response:
    """Get statistics for a specific customer.

    Only orders whose payment is `paid`, `partially_paid` or `partially_refunded` count. Amounts are in cents.
    The average is rounded half up, and is 0 without an order. The dates are those of the first and the last
    such order.
    """
    return envelope(stats=stats.get_stats(connection, customer))
