"""Stats in responses."""

from pydantic import Field

from fluent_cart.schemas import fields
from fluent_cart.schemas.base import ResponseModel
from fluent_cart.schemas.envelope import Envelope


class Stats(ResponseModel):
    total_spent: fields.TotalSpent
    order_count: fields.OrderCount
    average_order_value: fields.Int64 = Field(description="Average in cents, rounded half up")
    last_order_date: fields.Timestamp | None = Field(
        description="Time of the last order, in UTC. It is null if there is no order"
    )
    first_order_date: fields.Timestamp | None = Field(
        description="Time of the first order, in UTC. It is null if there is no order"
    )


class StatsData(ResponseModel):
    stats: Stats = Field(description="Sums of the customer's orders")


class StatsResponse(Envelope[StatsData]):
    pass
