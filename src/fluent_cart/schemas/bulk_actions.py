"""Bulk actions in requests, and their results in responses."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from fluent_cart.enums import BulkActionName, CustomerStatus, ExportFormat
from fluent_cart.schemas import fields
from fluent_cart.schemas.base import Id, LooseBool, PhpList, RequestModel, ResponseModel
from fluent_cart.schemas.customers import CustomerDetail
from fluent_cart.schemas.envelope import Envelope

MAX_CUSTOMERS = 1000


class BulkActionOptions(RequestModel):
    status: CustomerStatus | None = Field(None, description="Needed by `update_status`")
    format: ExportFormat = Field(ExportFormat.JSON, description="Used by `export`")


class _StatusOptions(BulkActionOptions):
    status: CustomerStatus


def _describe_nothing(schema: dict[str, Any]) -> None:
    """Describe in the schema the ways to send no data."""
    nothing = [{"type": "null"}, {"const": ""}, {"type": "array", "items": {}, "maxItems": 0}]
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, *nothing]


class BulkAction(RequestModel):
    action: BulkActionName = Field(description="Action for each of the customers")
    customer_ids: Annotated[
        list[Id],
        Field(min_length=1, max_length=MAX_CUSTOMERS, description="Customer ids. A repeated id counts once"),
        PhpList,
    ]
    data: BulkActionOptions = Field(
        default_factory=BulkActionOptions,
        validate_default=True,
        description="Options of the action: `status` for `update_status`, `format` for `export`",
        json_schema_extra=_describe_nothing,
    )
    dry_run: fields.DryRun[LooseBool] = False

    @property
    def only_reads(self) -> bool:
        """Return whether the request changes nothing."""
        return self.dry_run or self.action is BulkActionName.EXPORT

    @field_validator("data", mode="before")
    @classmethod
    def check_data(cls, value: Any, info: ValidationInfo) -> Any:
        """Check ``data`` for the field that the action needs, so that an error names ``data.status``."""
        needs_status = info.data.get("action") is BulkActionName.UPDATE_STATUS
        model: type[BaseModel] = _StatusOptions if needs_status else BulkActionOptions
        given = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        # PHP writes an empty object as an empty list, or as an empty text in a form.
        if given in (None, "", []):
            given = {}
        return model.model_validate(given)


class BulkError(ResponseModel):
    code: str = Field(description="What is wrong, for programs")
    message: str = Field(description="What is wrong, for people")


class BulkResult(ResponseModel):
    customer_id: fields.CustomerId
    success: bool = Field(description="Whether the action was successful for this customer")
    error: BulkError | None = Field(None, description="Present only if the action failed for this customer")


class BulkActionResult(ResponseModel):
    processed: int = Field(description="Number of customers for which the action was successful")
    failed: int = Field(description="Number of customers for which the action failed")
    results: list[BulkResult] = Field(description="Result for each customer, in the order of the request")
    export: list[CustomerDetail] | str | None = Field(
        None, description="Present only for `export`: full records, or CSV text"
    )


class BulkActionResponse(Envelope[BulkActionResult]):
    pass
