"""/customers/{customerId}/address and make-primary."""

from typing import Annotated

from fastapi import Query, Response

from fluent_cart.auth.policies import can_delete, can_manage, can_view
from fluent_cart.errors import AddressNotFound, CustomerNotFound, PreconditionFailed
from fluent_cart.http.dependencies import ReadConnection, WriteConnection
from fluent_cart.http.parameters import ADDRESS_ID_IN_QUERY, CustomerId
from fluent_cart.http.responses import envelope, message
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented
from fluent_cart.schemas.addresses import (
    AddressCreate,
    AddressListQuery,
    AddressListResponse,
    AddressRef,
    AddressUpdate,
    NewAddressResponse,
    PrimaryAddressResponse,
    UpdatedAddressResponse,
)
from fluent_cart.schemas.envelope import Message
from fluent_cart.services import addresses

router = ApiRouter(tags=["Addresses"])


@router.get(
    "/{customerId}/address",
    summary="Get Customer Addresses",
    response_description="All addresses of the customer",
    dependencies=[can_view],
    response_model=AddressListResponse,
    responses=documented(CustomerNotFound),
)
def list_addresses(
    customer_id: CustomerId, query: Annotated[AddressListQuery, Query()], connection: ReadConnection
) -> Response:
    """Get all addresses of a specific customer, or only those of a type.

    Exactly one address has `is_primary`, if there are any.
    """
    return envelope(addresses=addresses.list_addresses(connection, customer_id, query.type))


@router.put(
    "/{customerId}/address",
    summary="Update Customer Address",
    response_description="The address after the change",
    dependencies=[can_manage],
    response_model=UpdatedAddressResponse,
    responses=documented(CustomerNotFound, AddressNotFound, PreconditionFailed),
)
def update_address(customer_id: CustomerId, body: AddressUpdate, connection: WriteConnection) -> Response:
    """Update the fields of a customer's address that are sent.

    `address_id` must be the id of one of this customer's addresses. `"is_primary": true` makes it the primary
    address in place of the former one.
    """
    changes = body.model_dump(exclude_unset=True, exclude={"address_id"})
    return envelope(address=addresses.update_address(connection, customer_id, body.address_id, changes))


@router.post(
    "/{customerId}/address",
    summary="Create Customer Address",
    response_description="The new address",
    dependencies=[can_manage],
    response_model=NewAddressResponse,
    responses=documented(CustomerNotFound),
)
def create_address(customer_id: CustomerId, body: AddressCreate, connection: WriteConnection) -> Response:
    """Create a new address for a customer.

    `address_1`, `city` and `country` (a code of two letters) are required. `type` is `billing` unless it is
    `shipping`. The first address of a customer becomes the primary one. A customer has at most 250 addresses.
    One more is 422 `validation_error`.
    """
    return envelope(address=addresses.create_address(connection, customer_id, body))


@router.delete(
    "/{customerId}/address",
    summary="Delete Customer Address",
    response_description="The address is deleted",
    dependencies=[can_delete],
    response_model=Message,
    responses=documented(CustomerNotFound, AddressNotFound),
    openapi_extra={"parameters": [ADDRESS_ID_IN_QUERY]},
)
def delete_address(customer_id: CustomerId, body: AddressRef, connection: WriteConnection) -> Response:
    """Delete a customer's address.

    The id may also be sent in the query, for clients that send no body with DELETE: `?address_id=2`. If the
    primary address is deleted, the oldest remaining address becomes primary. The permission to delete is
    required.
    """
    addresses.delete_address(connection, customer_id, body.address_id, body.type)
    return message("Address deleted successfully")


@router.post(
    "/{customerId}/address/make-primary",
    summary="Set Primary Address",
    response_description="The address, which is the primary one now",
    dependencies=[can_manage],
    response_model=PrimaryAddressResponse,
    responses=documented(CustomerNotFound, AddressNotFound),
)
def make_address_primary(customer_id: CustomerId, body: AddressRef, connection: WriteConnection) -> Response:
    """Set an address as the primary address of a customer.

    The former primary address is not primary any more. Nothing changes if the address is primary already.
    """
    return envelope(address=addresses.make_primary(connection, customer_id, body.address_id, body.type))
