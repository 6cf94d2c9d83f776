"""/customers/do-bulk-action."""

from fastapi import Response

from fluent_cart.auth.policies import BULK_PERMISSIONS, CustomerPolicy, can_manage
from fluent_cart.http.dependencies import BulkConnection
from fluent_cart.http.handler_hooks import check_input
from fluent_cart.http.responses import post_envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.schemas.bulk_actions import BulkAction, BulkActionResponse
from fluent_cart.services import bulk_actions
from fluent_cart.services.users import CurrentUser

router = ApiRouter(tags=["Bulk actions"])


def check_permission(user: CurrentUser, body: BulkAction) -> None:
    """Raise ``InsufficientPermissions`` unless the user may do this action."""
    CustomerPolicy(BULK_PERMISSIONS[body.action]).check(user)


@router.post(
    "/do-bulk-action",
    summary="Bulk Actions",
    response_description="A result for each customer, and how many were processed and failed",
    dependencies=[can_manage],
    response_model=BulkActionResponse,
    responses=documented(),
)
@check_input(check_permission)
def do_bulk_action(body: BulkAction, connection: BulkConnection) -> Response:
    """Perform an action on up to 1,000 customers.

    - `update_status` sets `data.status`, which is required.
    - `delete` removes customers with their addresses, and needs the permission to delete. Their orders
      are kept.
    - `export` returns full records in `data.export`, or CSV text with `"data": {"format": "csv"}`.

    The response is 200 even if some customers fail. `results` has each of them, in the order of the ids, and
    an `error` if `success` is false. A repeated id counts once. With `"dry_run": true` the response is the
    same without `export`, and nothing is changed. An `export` and a dry run change nothing, so they run again
    for each request with the same `Idempotency-Key`.
    """
    return post_envelope(body.only_reads, **bulk_actions.perform(connection, body))
