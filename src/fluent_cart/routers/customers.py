"""/customers, /customers/{customerId} and its additional info."""

from typing import Annotated

from fastapi import Query, Request, Response

from fluent_cart.auth.policies import can_manage, can_view
from fluent_cart.errors import CustomerNotFound, InvalidEmail, PreconditionFailed
from fluent_cart.http.dependencies import ListConnection, QueryConnection, WriteConnection
from fluent_cart.http.etags import not_modified_or
from fluent_cart.http.parameters import CustomerId, list_headers, pagination
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.schemas.additional_info import AdditionalInfo
from fluent_cart.schemas.base import email_rules
from fluent_cart.schemas.customer_queries import CustomerDetailQuery, CustomerListQuery
from fluent_cart.schemas.customers import (
    AdditionalInfoResponse,
    CustomerCreate,
    CustomerDetailResponse,
    CustomerListResponse,
    CustomerUpdate,
    NewCustomerResponse,
    UpdatedCustomerResponse,
)
from fluent_cart.services import customer_includes, customer_pages, customers

router = ApiRouter(tags=["Customers"])
# A server loads them before the first request that has an address.
email_rules()


@router.get(
    "",
    summary="List Customers",
    response_description="A page of customers",
    dependencies=[can_view],
    response_model=CustomerListResponse,
    responses=documented(),
)
def list_customers(
    request: Request, query: Annotated[CustomerListQuery, Query()], connection: ListConnection
) -> Response:
    """Retrieve a paginated list of customers with optional filtering and searching.

    By default the newest customers come first, 10 on each page. `order_by`, `order_type` and `per_page`
    change this. A customer must match `search` and all `filters`: see [Filters](#description/filters).
    `pagination.total` is the number of matching customers. The headers `X-WP-Total`, `X-WP-TotalPages` and
    `Link` have the same numbers, as in WordPress. `cursor`, `include` and `include_total` are additions to
    the documentation.
    """
    page = customer_pages.get_page(connection, query)
    return envelope(
        list_headers(request, query, page), customers=page.items, pagination=pagination(query, page)
    )


@router.post(
    "",
    summary="Create Customer",
    response_description="The new customer",
    dependencies=[can_manage],
    response_model=NewCustomerResponse,
    # The customer of a stored response may be gone.
    responses=documented(CustomerNotFound, InvalidEmail),
)
def create_customer(body: CustomerCreate, connection: WriteConnection) -> Response:
    """Create a new customer.

    Only `email` is required. It is stored as typed, with its domain in lower case. If another customer has
    it, in any case, the error is `invalid_email`. Send an `Idempotency-Key` if the request may have to be
    repeated. Other operations add addresses and a WordPress user.
    """
    return envelope(customer=customers.create_customer(connection, body))


@router.get(
    "/{customerId}",
    summary="Get Customer Details",
    response_description="The customer, with its addresses",
    dependencies=[can_view],
    response_model=CustomerDetailResponse,
    responses=documented(CustomerNotFound, PreconditionFailed),
)
def get_customer(
    request: Request,
    customer_id: CustomerId,
    query: Annotated[CustomerDetailQuery, Query()],
    connection: QueryConnection,
) -> Response:
    """Retrieve detailed information about a specific customer.

    The response has the customer's addresses, WordPress user and additional info. `total_spent` is the amount
    of the paid orders, less refunds, in cents. `order_count` is the number of these orders. The header `ETag`
    identifies this state of the customer, for `If-Match` in a later PUT. `include` is an addition to the
    documentation. A response with it has an `ETag` of its own, which is not for `If-Match`.
    """
    answer = envelope(customer=customer_includes.get_customer_with(connection, customer_id, query.include))
    return not_modified_or(request, answer)


@router.put(
    "/{customerId}",
    summary="Update Customer",
    response_description="The customer after the change",
    dependencies=[can_manage],
    response_model=UpdatedCustomerResponse,
    responses=documented(CustomerNotFound, InvalidEmail, PreconditionFailed),
)
def update_customer(customer_id: CustomerId, body: CustomerUpdate, connection: WriteConnection) -> Response:
    """Update the fields of an existing customer that are sent.

    Fields that are not sent do not change. `"phone": null` removes the number. `updated_at` changes only if
    something else changed. Send the `ETag` of Get Customer Details in `If-Match` so that the change of
    another client is not overwritten.
    """
    changes = body.model_dump(exclude_unset=True)
    return envelope(customer=customers.update_customer(connection, customer_id, changes))


@router.put(
    "/{customerId}/additional-info",
    summary="Update Customer Additional Info",
    response_description="The whole additional info after the change",
    dependencies=[can_manage],
    response_model=AdditionalInfoResponse,
    responses=documented(CustomerNotFound, PreconditionFailed),
)
def update_additional_info(
    customer_id: CustomerId, body: AdditionalInfo, connection: WriteConnection
) -> Response:
    """Merge the sent keys into a customer's additional information.

    Any JSON object is accepted, up to 64 KiB and eight levels deep. Keys that are not sent stay. A key with
    `null` is removed.
    """
    return envelope(customer=customers.update_additional_info(connection, customer_id, body))
