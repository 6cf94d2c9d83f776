"""A batch of customers to create, update and delete, and the result of each.

See docs/decisions.md#185-batch-requests.
"""

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    WrapValidator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fluent_cart.schemas import fields
from fluent_cart.schemas.base import Id, LooseBool, PhpList, RequestModel, ResponseModel
from fluent_cart.schemas.bulk_actions import BulkError
from fluent_cart.schemas.customers import CustomerCreate, CustomerUpdate
from fluent_cart.schemas.envelope import Envelope
from fluent_cart.schemas.error_messages import to_validation_error

MAX_ITEMS = 100
TOO_MANY = f"A batch has at most {MAX_ITEMS} items in all. Send several batches"


class InvalidItem(BaseModel):
    """An object of a batch that is not valid, as the error of its result."""

    status: int
    error: dict[str, Any]


class CustomerUpdateById(CustomerUpdate):
    """A customer by its id. Only the members that are sent are changed."""

    id: Id = Field(description="Id of the customer to update")

    @model_serializer(mode="wrap")
    def sent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the members that were sent, by which two requests are compared."""
        return {name: value for name, value in serialize(self).items() if name in self.model_fields_set}


def _read_as(model: type[BaseModel]) -> Callable[[Any, Any], BaseModel]:
    """Return a function that reads an object as ``model``, or returns its errors."""

    def read(value: Any, _handler: Any) -> BaseModel:
        if not isinstance(value, dict):
            raise PydanticCustomError("dict_type", "Must be an object")
        try:
            return model.model_validate(value)
        except ValidationError as error:
            found = to_validation_error(error.errors(include_url=False, include_input=False))
            return InvalidItem(status=found.status, error=found.reason)

    return read


def _describe_any(schema: dict[str, Any]) -> None:
    """Document that any object is an item, because an invalid item has its error in its result."""
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, {"type": "object", "additionalProperties": True}]


_Items = Field(json_schema_extra=_describe_any)
NewCustomer = Annotated[
    CustomerCreate | InvalidItem,
    WrapValidator(_read_as(CustomerCreate), json_schema_input_type=CustomerCreate),
    _Items,
]
ChangedCustomer = Annotated[
    CustomerUpdateById | InvalidItem,
    WrapValidator(_read_as(CustomerUpdateById), json_schema_input_type=CustomerUpdateById),
    _Items,
]


class CustomerBatch(RequestModel):
    # A misspelt name would be a batch that does nothing.
    model_config = ConfigDict(extra="forbid")

    create: Annotated[
        list[NewCustomer],
        Field(max_length=MAX_ITEMS, description="Customers to create, with the fields of Create Customer"),
        PhpList,
    ] = Field(default_factory=list)
    update: Annotated[
        list[ChangedCustomer],
        Field(max_length=MAX_ITEMS, description="Changes of customers, with the fields of Update Customer"),
        PhpList,
    ] = Field(default_factory=list)
    delete: Annotated[
        list[Id], Field(max_length=MAX_ITEMS, description="Ids of the customers to delete"), PhpList
    ] = Field(default_factory=list)
    dry_run: fields.DryRun[LooseBool] = False

    @model_validator(mode="after")
    def check_number(self) -> Self:
        """Reject a batch of too many items."""
        if len(self.create) + len(self.update) + len(self.delete) > MAX_ITEMS:
            raise PydanticCustomError("too_many_items", TOO_MANY)
        return self


class BatchError(BulkError):
    details: dict[str, list[str]] | None = Field(
        None, description="Messages by field, if fields of the item are not valid"
    )


class BatchResult(ResponseModel):
    id: fields.Int64 | None = Field(
        None, description="Id of the customer. It is absent if no customer was created or named"
    )
    status: int = Field(description="HTTP status that a request with this item alone would have")
    error: BatchError | None = Field(None, description="Present only if the status is not 200")


class BatchResults(ResponseModel):
    processed: int = Field(description="Number of items that were successful")
    failed: int = Field(description="Number of items that failed")
    create: list[BatchResult] = Field(description="Result of each item of `create`, in the order sent")
    update: list[BatchResult] = Field(description="Result of each item of `update`, in the order sent")
    delete: list[BatchResult] = Field(description="Result of each id of `delete`, in the order sent")


class BatchResponse(Envelope[BatchResults]):
    pass
