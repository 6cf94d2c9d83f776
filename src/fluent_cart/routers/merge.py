"""/customers/{customerId}/merge."""

from fastapi import Response

from fluent_cart.auth.policies import can_delete, can_manage
from fluent_cart.errors import CustomerNotFound, InvalidUser, PreconditionFailed
from fluent_cart.http.dependencies import BulkConnection
from fluent_cart.http.handler_hooks import accept_conditions
from fluent_cart.http.parameters import CustomerId
from fluent_cart.http.responses import post_envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.openapi.introduction import BEYOND
from fluent_cart.schemas.merge import CustomerMerge, MergeResponse
from fluent_cart.services import merge

router = ApiRouter(tags=[BEYOND])


@router.post(
    "/{customerId}/merge",
    summary="Merge Customers",
    dependencies=[can_manage, can_delete],
    response_model=MergeResponse,
    response_description="The customer that is left, and how much it has got",
    responses=documented(CustomerNotFound, InvalidUser, PreconditionFailed),
)
@accept_conditions(lambda values: [values["body"].from_id])
def merge_customers(customer_id: CustomerId, body: CustomerMerge, connection: BulkConnection) -> Response:
    """Merge another customer into this one, which gets its orders, addresses and user.

    The fields of this customer stay, and blank ones are filled from the other customer. An address that both
    have is kept once, and the primary address stays. If both have a WordPress user, `user_id` names the one
    that stays. Later requests for the other id are answered 410 `customer_merged`. `preview` returns the
    result and changes nothing. The operation needs the permissions to manage and to delete customers.
    """
    return post_envelope(body.preview, **merge.merge_customers(connection, customer_id, body))
