"""Input and output of the usual FastAPI application."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, EmailStr

Status = Literal["active", "inactive"]
DataT = TypeVar("DataT")


class Answer(BaseModel, Generic[DataT]):
    success: bool = True
    data: DataT


class FromObject(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CustomerCreate(BaseModel):
    email: EmailStr
    first_name: str = ""
    last_name: str = ""
    phone: str | None = None
    status: Status = "active"
    additional_info: dict[str, Any] = {}


class CustomerUpdate(BaseModel):
    email: EmailStr = ""
    first_name: str = ""
    last_name: str = ""
    phone: str | None = None
    status: Status = "active"


class Address(FromObject):
    id: int
    type: str
    first_name: str
    last_name: str
    address_1: str
    city: str
    state: str
    postcode: str
    country: str
    is_primary: bool
    address_2: str | None
    company_name: str | None
    phone: str | None


class CustomerListed(FromObject):
    id: int
    email: str
    first_name: str
    last_name: str
    status: Status
    total_spent: int
    order_count: int
    created_at: str
    updated_at: str


class CustomerDetail(FromObject):
    id: int
    email: str
    first_name: str
    last_name: str
    phone: str | None
    status: Status
    total_spent: int
    order_count: int
    created_at: str
    updated_at: str
    addresses: list[Address]
    user_id: int | None
    additional_info: dict[str, Any]


class CustomerCreated(FromObject):
    id: int
    email: str
    first_name: str
    last_name: str
    phone: str | None
    status: Status
    created_at: str


class CustomerUpdated(FromObject):
    id: int
    first_name: str
    last_name: str
    phone: str | None
    status: Status
    updated_at: str


class Pagination(BaseModel):
    current_page: int
    per_page: int
    total: int
    total_pages: int


class CustomerPage(BaseModel):
    customers: list[CustomerListed]
    pagination: Pagination


class CustomerDetailData(BaseModel):
    customer: CustomerDetail


class NewCustomerData(BaseModel):
    customer: CustomerCreated


class UpdatedCustomerData(BaseModel):
    customer: CustomerUpdated
