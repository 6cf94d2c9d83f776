"""/customers/{customerId}/personal-data and erase.

See docs/decisions.md#186-personal-data-and-erasure.
"""

from typing import Any

from fastapi import Request, Response

from fluent_cart.auth.policies import can_delete, can_manage
from fluent_cart.errors import CustomerNotFound
from fluent_cart.http.dependencies import BulkConnection, ScanConnection
from fluent_cart.http.handler_hooks import after_success
from fluent_cart.http.parameters import CustomerId
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.observability import security_log
from fluent_cart.openapi.document import documented
from fluent_cart.openapi.introduction import BEYOND
from fluent_cart.schemas.personal_data import ErasedCustomerResponse, PersonalDataResponse
from fluent_cart.services import erasure, personal_data

router = ApiRouter(tags=[BEYOND])


@router.get(
    "/{customerId}/personal-data",
    summary="Get Personal Data",
    response_description="All that the shop holds about the customer",
    dependencies=[can_manage],
    response_model=PersonalDataResponse,
    responses=documented(CustomerNotFound),
)
def get_personal_data(customer_id: CustomerId, connection: ScanConnection) -> Response:
    """Get everything that the shop holds about a customer.

    The response has the customer, addresses, orders, the attached WordPress user, the kept changes, and
    responses that are kept for an `Idempotency-Key`. It has no passwords. It needs the permission to change
    customers.
    """
    return envelope(**personal_data.get_personal_data(connection, customer_id))


def log_erasure(request: Request, *, customer_id: int, **_others: Any) -> None:
    """Log an erasure in the security log."""
    security_log.log_erasure(request.scope, customer_id)


@router.post(
    "/{customerId}/erase",
    summary="Erase Customer",
    response_description="The customer without anything that identifies the person",
    dependencies=[can_delete],
    response_model=ErasedCustomerResponse,
    responses=documented(CustomerNotFound),
)
@after_success(log_erasure)
def erase_customer(customer_id: CustomerId, connection: BulkConnection) -> Response:
    """Remove everything that identifies a customer, for good.

    The customer stays with its id, its orders and its totals, so that the books do not change. Names, phone,
    additional info, addresses and kept responses are gone, the e-mail address is one that no person has, the
    WordPress user is detached, and the status is `inactive`. An import does not store the person again. A
    second erasure changes nothing. It needs the permission to delete, and no body.
    """
    return envelope(customer=erasure.erase_customer(connection, customer_id))
