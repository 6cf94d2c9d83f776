"""/customers/export."""

from typing import Annotated

from fastapi import Query, Response

from fluent_cart.auth.policies import can_view
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.http.file_response import Attachment
from fluent_cart.http.routing import ApiRouter
from fluent_cart.openapi.document import documented, file_response
from fluent_cart.schemas.customer_queries import CustomerExportQuery
from fluent_cart.services import customer_export

router = ApiRouter(tags=["Customers"])


@router.get(
    "/export",
    summary="Export Customers",
    response_description="A file with every customer that the filters match",
    dependencies=[can_view],
    response_class=Response,
    responses=file_response() | documented(),
)
async def export_customers(query: Annotated[CustomerExportQuery, Query()], database: DatabaseDep) -> Response:
    """Export all customers that the list would show, in its order, as a file of CSV or NDJSON.

    This is an addition to the documented operations. It has the `search`, `filters` and order of the list.
    The file has all fields of Get Customer Details, and can be imported again.
    """
    return Attachment(
        await database.stream(customer_export.export_customers, query), "customers", query.format
    )
