"""/customers/batch.

See docs/decisions.md#185-batch-requests.
"""

from fastapi import Response

from fluent_cart.auth.policies import can_manage, deletion
from fluent_cart.http.dependencies import BulkConnection
from fluent_cart.http.handler_hooks import check_input
from fluent_cart.http.responses import post_envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.openapi.introduction import BEYOND
from fluent_cart.schemas.batch import BatchResponse, CustomerBatch
from fluent_cart.services import batch
from fluent_cart.services.users import CurrentUser

router = ApiRouter(tags=[BEYOND])


def check_permission(user: CurrentUser, body: CustomerBatch) -> None:
    """Raise ``InsufficientPermissions`` if the batch deletes and the user may not delete."""
    if body.delete:
        deletion.check(user)


@router.post(
    "/batch",
    summary="Batch Update Customers",
    response_description="A result for each item, and how many were processed and failed",
    dependencies=[can_manage],
    response_model=BatchResponse,
    responses=documented(),
)
@check_input(check_permission)
def batch_customers(body: CustomerBatch, connection: BulkConnection) -> Response:
    """Create, update and delete up to 100 customers in all, in this order.

    An item has the fields of Create Customer, or those of Update Customer and the `id`. The answer is 200
    even if some items fail: each item has a result, in the order sent, with the status and the error that a
    request of its own would have. An item that fails changes nothing and stops no other item. `delete` needs
    the permission to delete. Without it the whole batch is 403.

    With `"dry_run": true` the results are the same, without the ids of new customers, and nothing is changed.
    """
    return post_envelope(body.dry_run, **batch.perform(connection, body))
