"""The merger of two customers, in requests and responses.

See docs/decisions.md#183-merge.
"""

from pydantic import Field

from fluent_cart.schemas import fields
from fluent_cart.schemas.base import BlankAsNone, Id, LooseBool, RequestModel, ResponseModel
from fluent_cart.schemas.customers import CustomerDetail
from fluent_cart.schemas.envelope import Envelope


class CustomerMerge(RequestModel):
    from_id: Id = Field(description="Id of the customer that is merged into the customer of the path")
    user_id: BlankAsNone[Id] = Field(
        None, description="WordPress user that stays attached. It is needed if both customers have one"
    )
    preview: LooseBool = Field(False, description="Return the result, and change nothing")


class MergeResult(ResponseModel):
    customer: CustomerDetail = Field(description="The customer that is left, with what both had")
    from_id: fields.Int64 = Field(description="Id of the customer that was merged and removed")
    moved_orders: fields.Int64 = Field(description="Number of orders that the merged customer had")
    moved_addresses: int = Field(description="Number of addresses that the customer has in addition")
    joined_addresses: int = Field(description="Number of addresses that both customers had")
    changed_fields: list[str] = Field(
        description="Fields of the customer that were blank and are filled, and additional_info if it changed"
    )


class MergeResponse(Envelope[MergeResult]):
    pass
