"""The filters of customer lists."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from fluent_cart.enums import CustomerStatus
from fluent_cart.schemas.addresses import COUNTRIES, Country
from fluent_cart.schemas.base import (
    EMAIL_SCHEMA,
    MAX_SAFE_INTEGER,
    Id,
    LooseBool,
    Money,
    checked_email,
    list_of_php,
)
from fluent_cart.schemas.timestamps import since, until


def _blank_as_none(value: Any) -> Any:
    return None if value == "" else value


# As many as a page has customers.
MAX_IDS = 100
# A query has no null, so an empty text stands for no value.
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
    """Return an e-mail address, or None for an empty text."""
    if value is None or value == "":
        return None
    try:
        return checked_email(value)
    except PydanticCustomError:
        # Not ``invalid_email``, because that code is about the address of a customer.
        raise PydanticCustomError("email", "Must be a valid email address") from None


def _listed(value: Any) -> Any:
    """Read a list of ids, a text with commas, or a list as PHP writes it."""
    if isinstance(value, str):
        # No regular expression: the time of one grew with the square of a run of blanks.
        return [part.strip() for part in value.split(",")] if value.strip() else None
    return [value] if isinstance(value, int) else list_of_php(value)


Since = Annotated[str | None, BeforeValidator(since), _IN_QUERY_TIME]
Until = Annotated[str | None, BeforeValidator(until), _IN_QUERY_TIME]
Amount = Annotated[Money | None, BeforeValidator(_blank_as_none), _IN_QUERY_MONEY]
Count = Annotated[Money | None, BeforeValidator(_blank_as_none), _IN_QUERY_COUNT]


class CustomerFilters(BaseModel):
    """Conditions that must all hold. An empty value is ignored. An unknown name is an error."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[
        CustomerStatus | None,
        BeforeValidator(_blank_as_none),
        Field(description="Whether the customer is active"),
        _IN_QUERY_STATUS,
    ] = None
    date_from: Since = Field(None, description="Created on or after this date or time (UTC)")
    date_to: Until = Field(None, description="Created on or before this date (its whole day) or time (UTC)")
    total_spent_min: Amount = Field(None, description="Spent at least this, in cents")
    total_spent_max: Amount = Field(None, description="Spent at most this, in cents")
    updated_from: Since = Field(None, description="Changed on or after this date or time (UTC)")
    updated_to: Until = Field(
        None, description="Changed on or before this date (its whole day) or time (UTC)"
    )
    last_order_from: Since = Field(None, description="Last paid order on or after this date or time (UTC)")
    last_order_to: Until = Field(
        None, description="Last paid order on or before this date (its whole day) or time (UTC)"
    )
    order_count_min: Count = Field(None, description="At least this many paid orders")
    order_count_max: Count = Field(None, description="At most this many paid orders")
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
