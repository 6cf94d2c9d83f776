"""The envelope of every successful response.

See docs/decisions.md#2-success-responses.
"""

from typing import Annotated, Generic, TypeVar

from pydantic import Field

from fluent_cart.schemas import fields
from fluent_cart.schemas.base import ResponseModel

DataT = TypeVar("DataT")


class Envelope(ResponseModel, Generic[DataT]):
    """The base of all responses with data.

    Each response has its own class, whose name is its OpenAPI name.
    """

    success: fields.Success
    data: Annotated[DataT, Field(description="Result of the request")]


class Message(ResponseModel):
    success: fields.Success
    message: fields.Message
