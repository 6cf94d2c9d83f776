"""Customers who may be the same person, in queries and responses.

See docs/decisions.md#182-duplicates.
"""

from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from fluent_cart.enums import DuplicateReason
from fluent_cart.schemas import cursors, fields
from fluent_cart.schemas.base import PerPage, ResponseModel
from fluent_cart.schemas.customers import CustomerRow
from fluent_cart.schemas.envelope import Envelope


class DuplicateCursor(NamedTuple):
    """The last group so far: its reason, and the common key of its customers."""

    reason: DuplicateReason
    key: str

    def encode(self) -> str:
        """Return the cursor as a text for URLs."""
        return cursors.encode(self)


def _read_cursor(value: Any) -> DuplicateCursor | None:
    return cursors.decode(value, _parsed)


def _parsed(values: Any) -> DuplicateCursor:
    reason, key = values
    if not cursors.is_text(key):
        raise ValueError("another type")
    return DuplicateCursor(DuplicateReason(reason), key)


def _none_if_empty(value: Any) -> Any:
    return value or None


class DuplicatesQuery(BaseModel):
    """The reason of the groups to list, and the group after which the list goes on."""

    reason: Annotated[DuplicateReason | None, BeforeValidator(_none_if_empty)] = Field(
        None, description="What the customers of a group share. Without it: groups of every reason"
    )
    cursor: Annotated[
        DuplicateCursor | None, BeforeValidator(_read_cursor), WithJsonSchema({"type": "string"})
    ] = Field(None, description="`next_cursor` of the response before. Without it: from the start")
    per_page: PerPage = Field(10, description="Largest number of groups in the response (max 100)")

    @model_validator(mode="after")
    def check_cursor(self) -> Self:
        """Refuse the cursor of a list of another reason."""
        if self.cursor and self.reason not in (None, self.cursor.reason):
            raise PydanticCustomError("cursor", "The cursor is of a list with another reason")
        return self


class DuplicateCustomer(CustomerRow):
    pass


class Duplicate(ResponseModel):
    reason: DuplicateReason = Field(description="What the customers of the group share")
    key: str = Field(description="The shared value, in the form in which it is compared")
    count: fields.Int64 = Field(description="Number of customers in the group")
    customers: list[DuplicateCustomer] = Field(
        description="The customers with the ten lowest ids of the group, the lowest first"
    )


class DuplicateList(ResponseModel):
    duplicates: list[Duplicate] = Field(description="Groups of customers who may be the same person")
    next_cursor: str | None = Field(
        description="`cursor` of the next request. It is null at the end, and there only: a page may be short"
    )


class DuplicateListResponse(Envelope[DuplicateList]):
    pass
