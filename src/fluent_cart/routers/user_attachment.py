"""/customers/attachable-user, and attaching and detaching a customer's user."""

from typing import Annotated

from fastapi import Query, Request, Response

from fluent_cart.auth.policies import can_manage
from fluent_cart.errors import CustomerNotFound, InvalidUser
from fluent_cart.http.dependencies import ScanConnection, WriteConnection
from fluent_cart.http.parameters import CustomerId, page_headers
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.schemas.user_attachment import CustomerUserResponse, UserListQuery, UserListResponse, UserRef
from fluent_cart.services import user_attachment

router = ApiRouter(tags=["User attachment"])


@router.get(
    "/attachable-user",
    summary="Get Attachable Users",
    response_description="A page of users who belong to no customer",
    dependencies=[can_manage],
    response_model=UserListResponse,
    responses=documented(),
)
def list_attachable_users(
    request: Request, query: Annotated[UserListQuery, Query()], connection: ScanConnection
) -> Response:
    """Get the WordPress users that can be attached to customers.

    These are the users without a customer, 100 on each page. The permission to change customers is required.
    """
    items, total = user_attachment.list_attachable_users(connection, query.search, query.page, query.per_page)
    return envelope(page_headers(request, query.page, query.per_page, total), users=items)


@router.post(
    "/{customerId}/attachable-user",
    summary="Attach User to Customer",
    response_description="The customer's id, and the user to whom it belongs now",
    dependencies=[can_manage],
    response_model=CustomerUserResponse,
    responses=documented(CustomerNotFound, InvalidUser),
)
def attach_user(customer_id: CustomerId, body: UserRef, connection: WriteConnection) -> Response:
    """Attach a WordPress user to a customer.

    The error is `invalid_user` if the user does not exist or has another customer, or if the customer has
    another user. Attaching the same user again changes nothing.
    """
    return envelope(customer=user_attachment.attach_user(connection, customer_id, body.user_id))


@router.post(
    "/{customerId}/detach-user",
    summary="Detach User from Customer",
    response_description="The customer's id, without a user",
    dependencies=[can_manage],
    response_model=CustomerUserResponse,
    responses=documented(CustomerNotFound),
)
def detach_user(customer_id: CustomerId, connection: WriteConnection) -> Response:
    """Detach a WordPress user from a customer.

    The request needs no body. Nothing changes if no user is attached.
    """
    return envelope(customer=user_attachment.detach_user(connection, customer_id))
