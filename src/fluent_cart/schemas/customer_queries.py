"""The queries of lists of customers: search, filters, order and page."""

import re
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fluent_cart.enums import CustomerStatus, FileFormat, Include, SortDirection, SortField
from fluent_cart.schemas.addresses import COUNTRIES, Country
from fluent_cart.schemas.base import (
    EMAIL_SCHEMA,
    MAX_SAFE_INTEGER,
    Id,
    LooseBool,
    Money,
    PageNumber,
    PerPage,
    Text255,
    checked_email,
    list_of_php,
)
from fluent_cart.schemas.cursors import ListCursor, read_cursor
from fluent_cart.schemas.timestamps import since, until


def _blank_as_none(value: Any) -> Any:
    return None if value == "" else value


# A page has as many customers.
MAX_IDS = 100
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
    {
        "anyOf": [
            {"type": "integer", "format": "int64", "minimum": -MAX_SAFE_INTEGER, "maximum": MAX_SAFE_INTEGER},
            _EMPTY,
        ]
    }
)
_IN_QUERY_COUNT = WithJsonSchema(
    {"anyOf": [{"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_SAFE_INTEGER}, _EMPTY]}
)
_IN_QUERY_COUNTRY = WithJsonSchema({"enum": [*sorted(COUNTRIES), ""], "examples": ["US"]})
_IN_QUERY_EMAIL = WithJsonSchema({"anyOf": [{"type": "string", **EMAIL_SCHEMA}, _EMPTY]})
_IN_QUERY_BOOL = WithJsonSchema({"anyOf": [{"type": "boolean"}, _EMPTY]})
_IN_QUERY_IDS = WithJsonSchema(
    {
        "anyOf": [
            {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_IDS,
                "items": {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_SAFE_INTEGER},
            },
            {"type": "string", "pattern": "^([1-9][0-9]{0,17}(,[1-9][0-9]{0,17})*)?$"},
        ],
        "examples": ["1,2,3"],
    }
)


def _email(value: Any) -> str | None:
    """Return an e-mail address; None for no value."""
    if value is None or value == "":
        return None
    try:
        return checked_email(value)
    except PydanticCustomError:
        # Not ``invalid_email``, which is about the address of a customer.
        raise PydanticCustomError("email", "Must be a valid email address") from None


def _listed(value: Any) -> Any:
    """Read a list of ids, also as a text with commas and as PHP writes lists."""
    if isinstance(value, str):
        return re.split(r"\s*,\s*", value.strip()) if value.strip() else None
    return [value] if isinstance(value, int) else list_of_php(value)


class CustomerFilters(BaseModel):
    """Conditions that must all hold; an empty value is no condition, an unknown name is an error."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[
        CustomerStatus | None,
        BeforeValidator(_blank_as_none),
        Field(description="Whether the customer is active"),
        _IN_QUERY_STATUS,
    ] = None
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
    updated_from: Annotated[
        str | None,
        BeforeValidator(since),
        Field(description="Changed on or after this date or time (UTC)"),
        _IN_QUERY_TIME,
    ] = None
    updated_to: Annotated[
        str | None,
        BeforeValidator(until),
        Field(description="Changed on or before this date (its whole day) or time (UTC)"),
        _IN_QUERY_TIME,
    ] = None
    last_order_from: Annotated[
        str | None,
        BeforeValidator(since),
        Field(description="Last paid order on or after this date or time (UTC)"),
        _IN_QUERY_TIME,
    ] = None
    last_order_to: Annotated[
        str | None,
        BeforeValidator(until),
        Field(description="Last paid order on or before this date (its whole day) or time (UTC)"),
        _IN_QUERY_TIME,
    ] = None
    order_count_min: Annotated[
        Money | None,
        BeforeValidator(_blank_as_none),
        Field(description="At least this many paid orders"),
        _IN_QUERY_COUNT,
    ] = None
    order_count_max: Annotated[
        Money | None,
        BeforeValidator(_blank_as_none),
        Field(description="At most this many paid orders"),
        _IN_QUERY_COUNT,
    ] = None
    country: Annotated[
        Country | None,
        BeforeValidator(_blank_as_none),
        Field(description="Country code of any of the customer's addresses"),
        _IN_QUERY_COUNTRY,
    ] = None
    has_user: Annotated[
        LooseBool | None,
        BeforeValidator(_blank_as_none),
        Field(description="Whether a WordPress user is attached"),
        _IN_QUERY_BOOL,
    ] = None
    email: Annotated[
        str | None,
        BeforeValidator(_email),
        Field(description="Exact e-mail address, in any case and with any form of its domain"),
        _IN_QUERY_EMAIL,
    ] = None
    ids: Annotated[
        Annotated[list[Id], Field(min_length=1, max_length=MAX_IDS)] | None,
        BeforeValidator(_listed),
        Field(description=f"Ids of customers, at most {MAX_IDS}, as a list or with commas between them"),
        _IN_QUERY_IDS,
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


Direction = Annotated[SortDirection, BeforeValidator(_upper)]


_IS_ID = re.compile(r"[0-9]+")


def _parts(value: Any) -> Any:
    """Read names with commas between them, or as PHP writes lists; none in an empty text."""
    if isinstance(value, str):
        value = value.split(",") if value.strip() else []
    parts = list_of_php(value)
    if not isinstance(parts, list):
        return parts
    parts = [part.strip() if isinstance(part, str) else part for part in parts]
    # WordPress's own `include` has ids. FluentCart does not document it, so ids are ignored (decision 9).
    return [] if all(_IS_ID.fullmatch(str(part)) for part in parts) else parts


class CustomerDetailQuery(BaseModel):
    """What a customer is answered with."""

    include: Annotated[frozenset[Include], BeforeValidator(_parts)] = Field(
        frozenset(),
        description="Parts to add to each customer, with commas: `addresses`, `stats`, `orders` (ten newest)",
    )

    @property
    def is_short(self) -> bool:
        """Return whether the customer alone is wanted."""
        return not self.include


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
    order_by: SortField = Field(
        SortField.ID,
        description="Sort field. `aov` is the average order value. Purchase dates are those of paid orders",
    )
    order_type: Direction = Field(SortDirection.DESC, description="Sort direction, in upper or lower case")


class CustomerExportQuery(CustomerSelection):
    format: FileFormat = Field(FileFormat.CSV, description="What the file is: `csv` or `ndjson`")


# Fields come in the order of the bases, the last one first.
class CustomerListQuery(CustomerDetailQuery, CustomerSelection, _Page):
    include_total: LooseBool = Field(
        True, description="False leaves `total` and `total_pages` null, and does not count what matches"
    )
    cursor: Annotated[ListCursor | None, PlainValidator(read_cursor), WithJsonSchema({"type": "string"})] = (
        Field(
            None,
            description="`next_cursor` of the page before, or empty for the first page. The list is then read"
            " by its order in place of `page`: no customer is missed or repeated while others come and go",
        )
    )

    @model_validator(mode="after")
    def require_same_order(self) -> Self:
        """Refuse the cursor of a list in another order."""
        if self.cursor and (self.cursor.order_by, self.cursor.order_type) != (self.order_by, self.order_type):
            raise PydanticCustomError("cursor", "The cursor is of a list with another order_by or order_type")
        return self

    @property
    def has_cursor(self) -> bool:
        """Return whether the list is read from cursor to cursor."""
        return "cursor" in self.model_fields_set

    @property
    def is_counted(self) -> bool:
        """Return whether the answer says how many customers match."""
        return self.include_total and not self.has_cursor

    @property
    def is_short(self) -> bool:
        """Return whether an index finds the page, so that reading it takes less than a switch of threads."""
        is_plain = self.is_counted and not self.include
        return (
            is_plain
            and not self.search
            and not self.filters.model_fields_set
            and self.page * self.per_page <= 10_000
        )
