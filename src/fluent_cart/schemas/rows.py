"""Rows of imported files: the input of the API, with ids, times and other columns that the API does not have.

Only the members that a row has count. Addresses may have the same empty fields as after an import from
WordPress, so that an exported file can be imported.
"""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from fluent_cart.enums import OrderStatus, PaymentStatus
from fluent_cart.schemas.additional_info import AdditionalInfoField
from fluent_cart.schemas.addresses import AddressCreate, country_code
from fluent_cart.schemas.base import (
    MAX_SAFE_INTEGER,
    BlankAsNone,
    Email,
    Money,
    PhpList,
    Text100,
    Text255,
    WholeNumber,
    blank_as_none,
)
from fluent_cart.schemas.customers import CustomerChanges, Phone
from fluent_cart.schemas.timestamps import Timestamp

# Not the largest possible id, because new rows need ids, too.
RowId = Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER), WholeNumber]
OptionalId = Annotated[RowId | None, BeforeValidator(blank_as_none)]
# 4.91512E+11: the digits of the phone number are lost.
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.I | re.ASCII)
Amount = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER), WholeNumber]


def _digits(value: Any) -> Any:
    if isinstance(value, str) and _ROUNDED.fullmatch(value.strip()):
        text = (
            "A spreadsheet rounded the number. Make the column a text in the spreadsheet, and export it again"
        )
        raise PydanticCustomError("rounded_number", text)
    return value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class AddressRow(AddressCreate):
    model_config = ConfigDict(extra="forbid")

    id: OptionalId = None
    address_1: Text255
    city: Text100
    country: Annotated[str, BeforeValidator(lambda value: value and country_code(value))]


class CustomerRow(CustomerChanges):
    model_config = ConfigDict(extra="forbid")

    id: OptionalId = None
    user_id: OptionalId = None
    phone: Annotated[Phone, BeforeValidator(_digits)] = None
    additional_info: AdditionalInfoField = Field(default_factory=dict)
    addresses: Annotated[list[AddressRow], PhpList] = Field(default_factory=list)
    created_at: Timestamp = ""
    updated_at: Timestamp = ""


class OrderRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: OptionalId = None
    customer_id: OptionalId = None
    customer_email: BlankAsNone[Email] = None
    status: OrderStatus = OrderStatus.PENDING
    payment_status: PaymentStatus = PaymentStatus.PENDING
    total_amount: Money = 0
    total_paid: Amount = 0
    total_refund: Amount = 0
    currency: Annotated[str, BeforeValidator(_upper), Field(pattern="^[A-Z]{0,10}$")] = ""
    created_at: Timestamp = ""
    updated_at: Timestamp = ""


Row = CustomerRow | OrderRow
