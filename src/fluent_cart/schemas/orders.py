"""Orders in responses. The API does not create orders.

See docs/decisions.md#17-orders-of-a-customer.
"""

from typing import Self

from pydantic import BaseModel, Field, model_validator

from fluent_cart.enums import OrderSortField, OrderStatus, PaymentStatus, SortDirection
from fluent_cart.schemas import fields
from fluent_cart.schemas.base import PageNumber, PerPage, ResponseModel, Text255
from fluent_cart.schemas.customer_queries import Direction
from fluent_cart.schemas.envelope import Envelope


class OrderListQuery(BaseModel):
    """The query of a customer's orders. Without a page, the response has all orders."""

    page: PageNumber = Field(1, description="Page number, 10 orders each unless `per_page` is sent")
    per_page: PerPage | None = Field(
        None, description=("Items per page (max 100). Without it and `page`, the response has all orders")
    )

    search: Text255 = Field(
        "", description="Text that must occur in the status, payment status or currency, or the exact id"
    )
    order_by: OrderSortField = Field(OrderSortField.CREATED_AT, description="Sort field")
    order_type: Direction = Field(SortDirection.ASC, description="Sort direction, in upper or lower case")

    @model_validator(mode="after")
    def default_per_page(self) -> Self:
        """Use the default length of a page if only its number was sent."""
        if self.per_page is None and "page" in self.model_fields_set:
            self.per_page = 10
        return self


class OrderListed(ResponseModel):
    id: fields.Int64 = Field(description="Unique id of the order")
    status: OrderStatus = Field(description="Progress of the order")
    payment_status: PaymentStatus = Field(description="Progress of the payment")
    total_amount: fields.Cents
    currency: str = Field(description="Currency code of ISO 4217")
    created_at: fields.CreatedAt


class OrderListData(ResponseModel):
    orders: list[OrderListed] = Field(description="Orders of the customer, in order of creation")


class OrderListResponse(Envelope[OrderListData]):
    pass
