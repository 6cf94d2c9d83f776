"""Input and output of Django Ninja: the fields are the models'."""

from typing import Any, Generic, Literal, TypeVar

from ninja import ModelSchema, Schema
from pydantic import EmailStr

from benchmarks.arms.django_shop import shop
from benchmarks.arms.django_shop.models import Address, Customer

DataT = TypeVar("DataT")


class Answer(Schema, Generic[DataT]):
    success: bool
    data: DataT


class CustomerUpdate(Schema):
    email: EmailStr = ""
    first_name: str = ""
    last_name: str = ""
    phone: str | None = None
    status: Literal["active", "inactive"] = "active"


class CustomerCreate(CustomerUpdate):
    email: EmailStr


class AddressOut(ModelSchema):
    class Meta:
        model = Address
        exclude = ("customer",)


class CustomerListed(ModelSchema):
    class Meta:
        model = Customer
        fields = shop.LISTED


class CustomerDetail(ModelSchema):
    addresses: list[AddressOut]
    additional_info: dict[str, Any]

    class Meta:
        model = Customer
        fields = (*shop.LISTED, "phone", "user_id")


class CustomerCreated(ModelSchema):
    class Meta:
        model = Customer
        fields = ("id", "email", "first_name", "last_name", "phone", "status", "created_at")


class CustomerUpdated(ModelSchema):
    class Meta:
        model = Customer
        fields = ("id", "first_name", "last_name", "phone", "status", "updated_at")


class Pagination(Schema):
    current_page: int
    per_page: int
    total: int
    total_pages: int


class CustomerPage(Schema):
    customers: list[CustomerListed]
    pagination: Pagination


class CustomerDetailData(Schema):
    customer: CustomerDetail


class NewCustomerData(Schema):
    customer: CustomerCreated


class UpdatedCustomerData(Schema):
    customer: CustomerUpdated
