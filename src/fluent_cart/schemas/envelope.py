"""The envelope around every successful answer (decision 2)."""

from typing import Generic, Literal, TypeVar

from fluent_cart.schemas.base import Output

DataT = TypeVar("DataT")


class Envelope(Output, Generic[DataT]):
    success: Literal[True]
    data: DataT


class Message(Output):
    success: Literal[True]
    message: str
