"""/customers, /customers/{customerId} and its additional info."""

from typing import Annotated

from fastapi import Query, Request, Response

from fluent_cart.database import DatabaseDep
from fluent_cart.errors import CustomerNotFound, InvalidEmail, PreconditionFailed
from fluent_cart.etags import conditional
from fluent_cart.openapi import documented
from fluent_cart.policies import can_manage, can_view
from fluent_cart.routers.parameters import CustomerId, page_headers, total_pages
from fluent_cart.routing import ApiRouter
from fluent_cart.schemas.additional_info import AdditionalInfo
from fluent_cart.schemas.customers import (
    AdditionalInfoData,
    CustomerCreate,
    CustomerDetailData,
    CustomerList,
    CustomerListQuery,
    CustomerUpdate,
    NewCustomerData,
    UpdatedCustomerData,
)
from fluent_cart.schemas.envelope import Envelope, envelope
from fluent_cart.services import customer_search, customers

router = ApiRouter(tags=["Customers"])


@router.get("", dependencies=[can_view], response_model=Envelope[CustomerList], responses=documented())
async def list_customers(
    request: Request, query: Annotated[CustomerListQuery, Query()], database: DatabaseDep
) -> Response:
    """Retrieve a paginated list of customers with optional filtering and searching."""
    items, total = await database.scan_unless(query.is_short, customer_search.list_customers, query)
    return envelope(
        page_headers(request, query.page, query.per_page, total),
        customers=items,
        pagination={
            "current_page": query.page,
            "per_page": query.per_page,
            "total": total,
            "total_pages": total_pages(total, query.per_page),
        },
    )


@router.post(
    "",
    dependencies=[can_manage],
    response_model=Envelope[NewCustomerData],
    responses=documented(InvalidEmail),
)
async def create_customer(body: CustomerCreate, database: DatabaseDep) -> Response:
    """Create a new customer."""
    return envelope(customer=await database.write(customers.create_customer, body))


@router.get(
    "/{customerId}",
    dependencies=[can_view],
    response_model=Envelope[CustomerDetailData],
    responses=documented(CustomerNotFound, PreconditionFailed),
)
async def get_customer(request: Request, customer_id: CustomerId, database: DatabaseDep) -> Response:
    """Retrieve detailed information about a specific customer."""
    answer = envelope(customer=await database.read(customers.get_customer, customer_id))
    return conditional(request, answer)


@router.put(
    "/{customerId}",
    dependencies=[can_manage],
    response_model=Envelope[UpdatedCustomerData],
    responses=documented(CustomerNotFound, InvalidEmail, PreconditionFailed),
)
async def update_customer(customer_id: CustomerId, body: CustomerUpdate, database: DatabaseDep) -> Response:
    """Update the fields of an existing customer that are sent."""
    changes = body.model_dump(exclude_unset=True)
    return envelope(customer=await database.write(customers.update_customer, customer_id, changes))


@router.put(
    "/{customerId}/additional-info",
    dependencies=[can_manage],
    response_model=Envelope[AdditionalInfoData],
    responses=documented(CustomerNotFound, PreconditionFailed),
)
async def update_additional_info(
    customer_id: CustomerId, body: AdditionalInfo, database: DatabaseDep
) -> Response:
    """Merge the sent keys into a customer's additional information; null removes a key."""
    return envelope(customer=await database.write(customers.update_additional_info, customer_id, body))
