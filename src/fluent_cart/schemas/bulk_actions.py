"""Bulk actions in, results out."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from fluent_cart.enums import BulkActionName, CustomerStatus, ExportFormat
from fluent_cart.schemas.base import Id, PhpList, RequestModel, ResponseModel
from fluent_cart.schemas.customers import CustomerDetail

MAX_CUSTOMERS = 1000


class BulkActionData(RequestModel):
    status: CustomerStatus | None = Field(None, description="Needed by `update_status`")
    format: ExportFormat = Field(ExportFormat.JSON, description="Used by `export`")


class _StatusData(BulkActionData):
    status: CustomerStatus


def _describe_nothing(schema: dict[str, Any]) -> None:
    """Say which ways to write no data there are."""
    nothing = [{"type": "null"}, {"const": ""}, {"type": "array", "items": {}, "maxItems": 0}]
    schema["anyOf"] = [{"$ref": schema.pop("$ref")}, *nothing]


class BulkAction(RequestModel):
    action: BulkActionName
    customer_ids: Annotated[
        list[Id],
        Field(min_length=1, max_length=MAX_CUSTOMERS, description="A repeated one counts once"),
        PhpList,
    ]
    data: BulkActionData = Field(
        default_factory=BulkActionData, validate_default=True, json_schema_extra=_describe_nothing
    )

    @property
    def only_reads(self) -> bool:
        """Tell whether the action changes nothing."""
        return self.action is BulkActionName.EXPORT

    @field_validator("data", mode="before")
    @classmethod
    def check_data(cls, value: Any, info: ValidationInfo) -> Any:
        """Check ``data`` for what the action needs, so that a fault is named ``data.status``."""
        needs_status = info.data.get("action") is BulkActionName.UPDATE_STATUS
        model: type[BaseModel] = _StatusData if needs_status else BulkActionData
        given = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        # PHP writes an empty object as an empty list, or as an empty text in a form.
        if given in (None, "", []):
            given = {}
        return model.model_validate(given)


class BulkError(ResponseModel):
    code: str
    message: str


class BulkResult(ResponseModel):
    customer_id: int
    success: bool
    error: BulkError | None = Field(None, description="Only with a failed customer")


class BulkActionResult(ResponseModel):
    processed: int
    failed: int
    results: list[BulkResult]
    export: list[CustomerDetail] | str | None = Field(
        None, description="Only with `export`: full records, or CSV text"
    )
