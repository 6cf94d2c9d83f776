"""The data that the shop holds about a person, before and after an erasure.

See docs/decisions.md#186-personal-data-and-erasure.
"""

from typing import Any

from pydantic import Field

from fluent_cart.enums import AddressType, ChangeKind, CustomerStatus
from fluent_cart.schemas import fields
from fluent_cart.schemas.base import ResponseModel
from fluent_cart.schemas.customers import CustomerRow
from fluent_cart.schemas.envelope import Envelope
from fluent_cart.schemas.orders import OrderListed
from fluent_cart.schemas.stats import Stats


class PersonCustomer(CustomerRow):
    user_id: fields.UserId
    additional_info: fields.AdditionalInfo[dict[str, Any]]


class PersonAddress(ResponseModel):
    id: fields.AddressId
    type: fields.AddressType[AddressType]
    is_primary: fields.IsPrimary
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    company_name: fields.CompanyName[str | None]
    address_1: fields.AddressLine1[str]
    address_2: fields.AddressLine2[str | None]
    city: fields.City[str]
    state: fields.State[str]
    postcode: fields.Postcode[str]
    country: fields.Country
    phone: fields.Phone[str | None]
    created_at: fields.CreatedAt
    updated_at: fields.UpdatedAt


class PersonOrder(OrderListed):
    total_paid: fields.Cents
    total_refund: fields.Cents
    updated_at: fields.UpdatedAt


class PersonPassword(ResponseModel):
    name: str = Field(description="Name that the user chose for the application password")
    created_at: fields.CreatedAt
    last_used: fields.Timestamp | None = Field(description="Day of the last use, null if there was none")


class PersonSession(ResponseModel):
    created_at: fields.CreatedAt
    expires_at: fields.Timestamp = Field(description="Time at which the session ends, in UTC")


class PersonUser(ResponseModel):
    id: fields.Int64 = Field(description="Unique id of the WordPress user")
    login: str = Field(description="Login name")
    email: str = Field(description="Email address of the user")
    display_name: str = Field(description="Name that WordPress shows")
    role: str = Field(description="Role of the user")
    created_at: fields.CreatedAt
    application_passwords: list[PersonPassword] = Field(description="Application passwords of the user")
    sessions: list[PersonSession] = Field(description="Sign-ins of the user that have not been removed yet")


class PersonChange(ResponseModel):
    kind: ChangeKind = Field(description="What happened to the customer")
    survivor_id: fields.Int64 | None = Field(description="Id of the customer that has what this one had")
    changed_at: fields.Timestamp = Field(description="Time of the change, in UTC")


class KeptAnswer(ResponseModel):
    request: str = Field(description="Method and path of the request")
    key: str = Field(description="`Idempotency-Key` of the request")
    status: int = Field(description="HTTP status of the response")
    body: Any = Field(description="Response that the server repeats")
    created_at: fields.CreatedAt


class PersonalData(ResponseModel):
    customer: PersonCustomer = Field(description="The customer as it is stored now")
    stats: Stats = Field(description="Sums of the customer's orders")
    addresses: list[PersonAddress] = Field(description="Addresses of the customer")
    orders: list[PersonOrder] = Field(description="Orders of the customer")
    user: PersonUser | None = Field(description="The attached WordPress user, null if there is none")
    changes: list[PersonChange] = Field(description="Changes of the customer that are kept")
    kept_answers: list[KeptAnswer] = Field(
        description="Responses that are kept for 24 hours for requests that are sent again"
    )


class PersonalDataResponse(Envelope[PersonalData]):
    pass


class ErasedCustomer(ResponseModel):
    id: fields.CustomerId
    status: fields.Status[CustomerStatus]
    updated_at: fields.UpdatedAt


class ErasedCustomerData(ResponseModel):
    customer: ErasedCustomer = Field(
        description="What is left of the customer, next to its orders and totals"
    )


class ErasedCustomerResponse(Envelope[ErasedCustomerData]):
    pass
