"""The queries of customers: search, filters, order, page and parts."""

import re
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fluent_cart.enums import FileFormat, Include, SortDirection, SortField
from fluent_cart.schemas.base import (
    LooseBool,
    PageNumber,
    PerPage,
    Text255,
    list_of_php,
)
from fluent_cart.schemas.cursors import ListCursor, read_cursor
from fluent_cart.schemas.customer_filters import CustomerFilters

# Each name that is wrong is an error of its own: 60 KB of names took 0.6 s and returned 2 MB.
MAX_NAMES = 50


def _decoded(value: Any) -> Any:
    """Read filters that are sent as a JSON text. An empty text and PHP's empty list mean no filter."""
    if isinstance(value, str) and value.strip():
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise PydanticCustomError("filters", "Must be a JSON object") from None
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return {}
    if not isinstance(value, dict):
        raise PydanticCustomError("filters", "Must be an object such as filters[status]=active")
    if len(value) > MAX_NAMES:
        raise PydanticCustomError("filters", f"Must have at most {MAX_NAMES} names")
    return value


def _upper(value: Any) -> Any:
    # ASCII only, because the upper case of "deſc" is DESC, too.
    return value.upper() if isinstance(value, str) and value.isascii() else value


Direction = Annotated[SortDirection, BeforeValidator(_upper)]


_IS_ID = re.compile(r"[0-9]+")


def _parts(value: Any) -> Any:
    """Read names with commas between them, or a list as PHP writes it. An empty text has no names."""
    if isinstance(value, str):
        value = value.split(",") if value.strip() else []
    parts = list_of_php(value)
    if not isinstance(parts, list):
        return parts
    parts = [part.strip() if isinstance(part, str) else part for part in parts]
    # WordPress's own `include` has ids. FluentCart does not document it, so ids are ignored
    # (docs/decisions.md#9-unknown-fields).
    if all(_IS_ID.fullmatch(str(part)) for part in parts):
        return []
    if len(parts) > MAX_NAMES:
        raise PydanticCustomError("include", f"Must have at most {MAX_NAMES} names")
    return parts


class CustomerDetailQuery(BaseModel):
    """The query of one customer."""

    include: Annotated[frozenset[Include], BeforeValidator(_parts)] = Field(
        frozenset(),
        description="Parts to add to each customer, with commas: `addresses`, `stats`, `orders` (ten newest)",
    )

    @property
    def is_short(self) -> bool:
        """Return whether the query selects the customer without parts."""
        return not self.include


class _Page(BaseModel):
    page: PageNumber = Field(1, description="Page number")
    per_page: PerPage = Field(10, description="Items per page (max 100)")


class CustomerSelection(BaseModel):
    """Select customers and their order."""

    search: Text255 = Field(
        "",
        description="Text that must occur in the name, the e-mail address or the phone number, or the exact"
        " id. Case and accents do not matter. If there are several words, all must occur",
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
    format: FileFormat = Field(FileFormat.CSV, description="Format of the file: `csv` or `ndjson`")


# Fields come in the order of the base classes, the last one first.
class CustomerListQuery(CustomerDetailQuery, CustomerSelection, _Page):
    include_total: LooseBool = Field(
        True,
        description=(
            "False leaves `total` and `total_pages` null, and does not count the matching customers"
        ),
    )
    cursor: Annotated[ListCursor | None, PlainValidator(read_cursor), WithJsonSchema({"type": "string"})] = (
        Field(
            None,
            description="`next_cursor` of the previous page, or empty for the first page. The list is then "
            "read by its order in place of `page`: no customer is missed or repeated if others "
            "are created or deleted meanwhile",
        )
    )

    @model_validator(mode="after")
    def require_same_order(self) -> Self:
        """Reject the cursor of a list in another order."""
        if self.cursor and (self.cursor.order_by, self.cursor.order_type) != (self.order_by, self.order_type):
            raise PydanticCustomError("cursor", "The cursor is of a list with another order_by or order_type")
        return self

    @property
    def has_cursor(self) -> bool:
        """Return whether the list is read from cursor to cursor."""
        return "cursor" in self.model_fields_set

    @property
    def is_counted(self) -> bool:
        """Return whether the response has the number of matching customers."""
        return self.include_total and not self.has_cursor

    @property
    def is_short(self) -> bool:
        """Return whether an index finds the page.

        Reading it then takes less time than a switch of threads.
        """
        is_plain = self.is_counted and not self.include
        return (
            is_plain
            and not self.search
            and not self.filters.model_fields_set
            and self.page * self.per_page <= 10_000
        )
