"""Stats out."""

from pydantic import Field

from fluent_cart.schemas.base import ResponseModel


class Stats(ResponseModel):
    total_spent: int = Field(description="In cents")
    order_count: int
    average_order_value: int = Field(description="In cents, rounded half up")
    last_order_date: str | None
    first_order_date: str | None


class StatsData(ResponseModel):
    stats: Stats
