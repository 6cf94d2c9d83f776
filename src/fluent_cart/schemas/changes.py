"""Changes of customers, in requests and responses.

See docs/decisions.md#173-changes.
"""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from fluent_cart.enums import ChangeKind
from fluent_cart.schemas import fields
from fluent_cart.schemas.base import PerPage, ResponseModel, WholeNumber
from fluent_cart.schemas.customers import CustomerDetail
from fluent_cart.schemas.envelope import Envelope

# A limit, because proxies wait 30 seconds.
MAX_WAIT = 25


class ChangesQuery(BaseModel):
    """The change to continue after, and how long to wait for the next one."""

    after: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32}(-[0-9]{1,18}){2})?$")] = Field(
        "", description="`cursor` of the response before. Without it, the response has the cursor of now only"
    )
    wait: Annotated[int, Field(ge=0, le=MAX_WAIT), WholeNumber] = Field(
        0, description="Seconds to wait for a change if there is none yet"
    )
    per_page: PerPage = Field(100, description="Largest number of changes in the response")

    @property
    def seconds(self) -> int:
        """Return how long to wait. Without a cursor the response is immediate."""
        return self.wait if self.after else 0


class Change(ResponseModel):
    kind: ChangeKind = Field(description="What happened to the customer")
    customer_id: fields.CustomerId
    survivor_id: fields.Int64 | None = Field(
        description="Id of the customer that has the data of a merged customer, else null"
    )
    changed_at: fields.Timestamp = Field(description="Time of the change, in UTC")
    customer: CustomerDetail | None = Field(
        description="The customer as it is stored now. It is null if the customer does not exist any more"
    )


class ChangeList(ResponseModel):
    changes: list[Change] = Field(description="Changes after the cursor, in the order in which to apply them")
    cursor: str = Field(description="`after` of the next request. Store it once the changes are applied")
    has_more: bool = Field(description="Whether more changes can be read at once")


class ChangeListResponse(Envelope[ChangeList]):
    pass
