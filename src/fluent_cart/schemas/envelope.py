"""The envelope around every successful answer (decision 2)."""

from typing import Generic, Literal, TypeVar

from fluent_cart.schemas.base import ResponseModel

DataT = TypeVar("DataT")


class Envelope(ResponseModel, Generic[DataT]):
    success: Literal[True]
    data: DataT


class Message(ResponseModel):
    success: Literal[True]
    message: str
