"""PATCH and DELETE of /customers/{customerId}, as clients of other REST APIs send them.

See docs/decisions.md#180-patch-and-delete.
"""

from fastapi import Response

from fluent_cart.auth.policies import can_delete, can_manage
from fluent_cart.errors import CustomerNotFound, InvalidEmail, PreconditionFailed
from fluent_cart.http.dependencies import BulkConnection, WriteConnection
from fluent_cart.http.parameters import CustomerId
from fluent_cart.http.responses import envelope, message
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.openapi.introduction import BEYOND
from fluent_cart.schemas.customers import CustomerUpdate, UpdatedCustomerResponse
from fluent_cart.schemas.envelope import Message
from fluent_cart.services import customer_deletion, customers

router = ApiRouter(tags=[BEYOND])


@router.patch(
    "/{customerId}",
    summary="Patch Customer",
    response_description="The customer after the change",
    dependencies=[can_manage],
    response_model=UpdatedCustomerResponse,
    responses=documented(CustomerNotFound, InvalidEmail, PreconditionFailed),
)
def patch_customer(customer_id: CustomerId, body: CustomerUpdate, connection: WriteConnection) -> Response:
    """Update the fields of an existing customer that are sent.

    The request and the response are those of Update Customer. The body may also be
    `application/merge-patch+json` (RFC 7396).
    """
    changes = body.model_dump(exclude_unset=True)
    return envelope(customer=customers.update_customer(connection, customer_id, changes))


@router.delete(
    "/{customerId}",
    summary="Delete Customer",
    response_description="The customer is deleted",
    dependencies=[can_delete],
    response_model=Message,
    responses=documented(CustomerNotFound),
)
def delete_customer(customer_id: CustomerId, connection: BulkConnection) -> Response:
    """Delete a customer with its addresses.

    The customer's orders are kept without a customer, as with the bulk action `delete`.
    """
    customer_deletion.delete_customer(connection, customer_id)
    return message("Customer deleted successfully")
