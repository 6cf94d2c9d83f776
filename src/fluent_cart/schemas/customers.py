"""Customers in and out."""

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from fluent_cart.enums import CustomerStatus, FileFormat, SortDirection, SortField
from fluent_cart.schemas.additional_info import AdditionalInfoField
from fluent_cart.schemas.addresses import Address
from fluent_cart.schemas.base import (
    MAX_SAFE_INTEGER,
    BlankAsNone,
    Email,
    Money,
    PageNumber,
    PartialInput,
    PerPage,
    RequestModel,
    ResponseModel,
    Text50,
    Text255,
)
from fluent_cart.schemas.timestamps import since, until

Phone = BlankAsNone[Text50]


class CustomerCreate(RequestModel):
    email: Email
    first_name: Text255 = ""
    last_name: Text255 = ""
    phone: Phone = None
    status: CustomerStatus = CustomerStatus.ACTIVE
    additional_info: AdditionalInfoField = Field(default_factory=dict)


class CustomerUpdate(PartialInput):
    """Only the members that are sent are changed."""

    email: Email = ""
    first_name: Text255 = ""
    last_name: Text255 = ""
    phone: Phone = None
    status: CustomerStatus = CustomerStatus.ACTIVE


def _blank_as_none(value: Any) -> Any:
    return None if value == "" else value


# A query has no null: nothing is an empty text there.
_EMPTY = {"const": ""}
_IN_QUERY_STATUS = WithJsonSchema({"enum": [*(status.value for status in CustomerStatus), ""]})
_IN_QUERY_TIME = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}, _EMPTY],
        "examples": ["2024-01-01", "2024-01-01T10:00:00Z"],
    }
)
_IN_QUERY_MONEY = WithJsonSchema(
    {"anyOf": [{"type": "integer", "minimum": -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER}, _EMPTY]}
)


class CustomerFilters(BaseModel):
    """Conditions that must all hold; an empty value is no condition, an unknown name is an error."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[CustomerStatus | None, BeforeValidator(_blank_as_none), _IN_QUERY_STATUS] = None
    date_from: Annotated[
        str | None,
        BeforeValidator(since),
        Field(description="Created on or after this date or time (UTC)"),
        _IN_QUERY_TIME,
    ] = None
    date_to: Annotated[
        str | None,
        BeforeValidator(until),
        Field(description="Created on or before this date (its whole day) or time (UTC)"),
        _IN_QUERY_TIME,
    ] = None
    total_spent_min: Annotated[
        Money | None,
        BeforeValidator(_blank_as_none),
        Field(description="Spent at least this, in cents"),
        _IN_QUERY_MONEY,
    ] = None
    total_spent_max: Annotated[
        Money | None,
        BeforeValidator(_blank_as_none),
        Field(description="Spent at most this, in cents"),
        _IN_QUERY_MONEY,
    ] = None


def _decoded(value: Any) -> Any:
    """Read filters that came as a JSON text; nothing, and PHP's empty list, are no filters."""
    if isinstance(value, str) and value.strip():
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise PydanticCustomError("filters", "Must be a JSON object") from None
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return {}
    if not isinstance(value, dict):
        raise PydanticCustomError("filters", "Must be an object such as filters[status]=active")
    return value


def _upper(value: Any) -> Any:
    # ASCII alone: "deſc" is DESC in upper case, too.
    return value.upper() if isinstance(value, str) and value.isascii() else value


class _Page(BaseModel):
    page: PageNumber = Field(1, description="Page number")
    per_page: PerPage = Field(10, description="Items per page (max 100)")


class CustomerSelection(BaseModel):
    """Which customers are wanted, and in which order."""

    search: Text255 = Field(
        "",
        description="Text that must occur in the name, the e-mail address or the phone number, or the exact"
        " id; case and accents do not matter, and of several words all must occur",
    )
    filters: Annotated[CustomerFilters, BeforeValidator(_decoded)] = Field(
        default_factory=CustomerFilters, description="Filter options, as `filters[status]=active` or as JSON"
    )
    order_by: SortField = Field(SortField.ID, description="Sort field")
    order_type: Annotated[SortDirection, BeforeValidator(_upper)] = Field(
        SortDirection.DESC, description="Sort direction, in upper or lower case"
    )


class CustomerExportQuery(CustomerSelection):
    format: FileFormat = Field(FileFormat.CSV, description="What the file is: `csv` or `ndjson`")


# Fields come in the order of the bases, the last one first.
class CustomerListQuery(CustomerSelection, _Page):
    @property
    def is_short(self) -> bool:
        """Tell whether an index leads straight to the page: reading it takes less than a hop to a thread."""
        return not self.search and not self.filters.model_fields_set and self.page * self.per_page <= 10_000


class CustomerListed(ResponseModel):
    id: int
    email: str
    first_name: str
    last_name: str
    status: CustomerStatus
    total_spent: Annotated[int, Field(description="In cents")]
    order_count: int
    created_at: str
    updated_at: str


class Pagination(ResponseModel):
    current_page: int
    per_page: int
    total: int
    total_pages: int


class CustomerList(ResponseModel):
    customers: list[CustomerListed]
    pagination: Pagination


class CustomerCreated(ResponseModel):
    id: int
    email: str
    first_name: str
    last_name: str
    phone: str | None
    status: CustomerStatus
    created_at: str


class CustomerDetail(ResponseModel):
    id: int
    email: str
    first_name: str
    last_name: str
    phone: str | None
    status: CustomerStatus
    total_spent: Annotated[int, Field(description="In cents")]
    order_count: int
    created_at: str
    updated_at: str
    addresses: list[Address]
    user_id: int | None
    additional_info: dict[str, Any]


class CustomerUpdated(ResponseModel):
    id: int
    first_name: str
    last_name: str
    phone: str | None
    status: CustomerStatus
    updated_at: str


class CustomerAdditionalInfo(ResponseModel):
    id: int
    additional_info: dict[str, Any]
    updated_at: str


class NewCustomerData(ResponseModel):
    customer: CustomerCreated


class CustomerDetailData(ResponseModel):
    customer: CustomerDetail


class UpdatedCustomerData(ResponseModel):
    customer: CustomerUpdated


class AdditionalInfoData(ResponseModel):
    customer: CustomerAdditionalInfo
