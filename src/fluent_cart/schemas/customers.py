"""Customers in requests and responses."""

from typing import Annotated, Any

from pydantic import Field

from fluent_cart.enums import CustomerStatus
from fluent_cart.schemas import fields
from fluent_cart.schemas.additional_info import AdditionalInfoField
from fluent_cart.schemas.addresses import Address
from fluent_cart.schemas.base import (
    BlankAsNone,
    Email,
    FullName,
    PartialInput,
    RequestModel,
    ResponseModel,
    Text50,
    Text255,
)
from fluent_cart.schemas.envelope import Envelope
from fluent_cart.schemas.orders import OrderListed
from fluent_cart.schemas.stats import Stats

Phone = BlankAsNone[Text50]


class CustomerCreate(RequestModel):
    email: fields.Email[Email]
    first_name: fields.FirstName[Text255] = ""
    last_name: fields.LastName[Text255] = ""
    phone: fields.Phone[Phone] = None
    status: fields.Status[CustomerStatus] = CustomerStatus.ACTIVE
    additional_info: fields.AdditionalInfo[AdditionalInfoField] = Field(default_factory=dict)


class CustomerChanges(PartialInput):
    """The fields of a customer that a request or a row of a file may change."""

    email: fields.Email[Email] = ""
    first_name: fields.FirstName[Text255] = ""
    last_name: fields.LastName[Text255] = ""
    phone: fields.Phone[Phone] = None
    status: fields.Status[CustomerStatus] = CustomerStatus.ACTIVE


class CustomerUpdate(CustomerChanges):
    """An update of a customer. Only the members that are sent are changed."""

    full_name: FullName = Field(default_factory=dict)


# The parts that ``include`` adds to a customer.
IncludedStats = Annotated[
    Stats | None, Field(description="Sums of the customer's orders, if `include` names `stats`")
]
IncludedOrders = Annotated[
    list[OrderListed], Field(description="The customer's ten newest orders, if `include` names `orders`")
]


class CustomerListed(ResponseModel):
    id: fields.CustomerId
    email: fields.Email[str]
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    status: fields.Status[CustomerStatus]
    total_spent: fields.TotalSpent
    order_count: fields.OrderCount
    created_at: fields.CreatedAt
    updated_at: fields.UpdatedAt
    addresses: list[Address] = Field(
        default_factory=list, description="Addresses of the customer, if `include` names `addresses`"
    )
    stats: IncludedStats = None
    orders: IncludedOrders = Field(default_factory=list)


class Pagination(ResponseModel):
    current_page: fields.CurrentPage[fields.Int64 | None]
    per_page: int = Field(description="Largest number of items on a page")
    total: fields.Total[fields.Int64 | None]
    total_pages: fields.Int64 | None = Field(description="Number of pages")
    next_cursor: str | None = Field(
        None, description="`cursor` of the next page, if `cursor` was sent. It is null at the end of the list"
    )


class CustomerList(ResponseModel):
    customers: list[CustomerListed] = Field(description="Customers of this page")
    pagination: Pagination = Field(description="Position of this page among all matching customers")


class CustomerCreated(ResponseModel):
    id: fields.CustomerId
    email: fields.Email[str]
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    phone: fields.Phone[str | None]
    status: fields.Status[CustomerStatus]
    created_at: fields.CreatedAt


class CustomerRow(ResponseModel):
    id: fields.CustomerId
    email: fields.Email[str]
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    phone: fields.Phone[str | None]
    status: fields.Status[CustomerStatus]
    total_spent: fields.TotalSpent
    order_count: fields.OrderCount
    created_at: fields.CreatedAt
    updated_at: fields.UpdatedAt


class CustomerDetail(CustomerRow):
    addresses: list[Address] = Field(description="Addresses of the customer, in order of creation")
    user_id: fields.UserId
    additional_info: fields.AdditionalInfo[dict[str, Any]]
    stats: IncludedStats = None
    orders: IncludedOrders = Field(default_factory=list)


class CustomerUpdated(ResponseModel):
    id: fields.CustomerId
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    phone: fields.Phone[str | None]
    status: fields.Status[CustomerStatus]
    updated_at: fields.UpdatedAt


class CustomerAdditionalInfo(ResponseModel):
    id: fields.CustomerId
    additional_info: fields.AdditionalInfo[dict[str, Any]]
    updated_at: fields.UpdatedAt


class NewCustomerData(ResponseModel):
    customer: CustomerCreated = Field(description="The customer as it is stored now")


class CustomerDetailData(ResponseModel):
    customer: CustomerDetail = Field(description="The customer as it is stored now")


class UpdatedCustomerData(ResponseModel):
    customer: CustomerUpdated = Field(description="The customer as it is stored now")


class AdditionalInfoData(ResponseModel):
    customer: CustomerAdditionalInfo = Field(description="The customer as it is stored now")


class CustomerListResponse(Envelope[CustomerList]):
    pass


class NewCustomerResponse(Envelope[NewCustomerData]):
    pass


class CustomerDetailResponse(Envelope[CustomerDetailData]):
    pass


class UpdatedCustomerResponse(Envelope[UpdatedCustomerData]):
    pass


class AdditionalInfoResponse(Envelope[AdditionalInfoData]):
    pass
