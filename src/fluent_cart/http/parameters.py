"""Path parameters, and the headers of a page."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Path, Request
from pydantic import BeforeValidator

from fluent_cart.errors import CustomerNotFound
from fluent_cart.schemas.base import MAX_ID, MAX_SAFE_INTEGER, whole_number
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.services.customer_pages import CustomerPage
from fluent_cart.wordpress.site import origin


def _customer_id(value: Any) -> int:
    """Read an id. A whole number outside the range of ids is a customer that does not exist.

    See docs/decisions.md#6-ids.
    """
    if isinstance(value, str) and re.fullmatch(r"-?[1-9][0-9]*|0", value):
        # No id has more digits, and Python does not read a number of over 4,300 digits.
        number = int(value) if len(value) <= 100 else None
        if number is None or not 1 <= number <= MAX_ID:
            raise CustomerNotFound(number)
        return number
    return int(whole_number(value))


# Integers over 2^53 are not exact in JSON viewers, and no shop has them.
_ID_SCHEMA = {"format": "int64", "minimum": 1, "maximum": MAX_SAFE_INTEGER}
_in_path = {"description": "Customer ID", "json_schema_extra": _ID_SCHEMA}

# The contract names the same parameter in two ways.
CustomerId = Annotated[int, BeforeValidator(_customer_id), Path(alias="customerId", **_in_path)]
Customer = Annotated[int, BeforeValidator(_customer_id), Path(**_in_path)]
# For clients that send no body with DELETE. The route reads fields of the body from the query.
ADDRESS_ID_IN_QUERY = {
    "name": "address_id",
    "in": "query",
    "required": False,
    "description": "Id of the address, for clients that send no body with DELETE",
    "schema": {"type": "integer", **_ID_SCHEMA},
}


# Proxies accept response headers of 4 to 16 KiB, so links with a longer query would break the response.
MAX_LINK_BYTES = 4096


def total_pages(total: int, per_page: int) -> int:
    """Return the number of pages for ``total`` items, which is 0 for no items."""
    return -(-total // per_page) if total else 0


# A query that needs no encoding, or is encoded already. Most queries match.
_PLAIN = re.compile(r"(?:[\w.~-]+=[\w.~-]*(?:&|$))*", re.ASCII)


def _without(parameter: str, query: str) -> str:
    """Return a query without one of its parameters."""
    if _PLAIN.fullmatch(query):
        return "&".join(
            field for field in query.split("&") if field and not field.startswith(f"{parameter}=")
        )
    sent = parse_qsl(query, keep_blank_values=True, errors="replace")
    return urlencode([(name, value) for name, value in sent if name != parameter])


def page_headers(request: Request, page: int, per_page: int, total: int) -> dict[str, str]:
    """Return WordPress's headers for a page: totals, and links to the next and previous pages.

    See docs/decisions.md#11-list-of-customers.
    """
    pages = total_pages(total, per_page)
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    neighbours = {"prev": min(page - 1, pages)} if page > 1 and pages else {}
    if page < pages:
        neighbours["next"] = page + 1
    return headers | _links(request, "page", neighbours)


def list_headers(request: Request, query: CustomerListQuery, page: CustomerPage) -> dict[str, str]:
    """Return the headers of a page of customers, which may be uncounted.

    See docs/decisions.md#171-included-parts and #172-uncounted-lists.
    """
    if page.total is not None:
        return page_headers(request, query.page, query.per_page, page.total)
    if query.has_cursor:
        return _links(request, "cursor", {"next": page.next_cursor} if page.next_cursor else {})
    neighbours = {"prev": query.page - 1} if query.page > 1 else {}
    return _links(request, "page", neighbours | ({"next": query.page + 1} if page.has_more else {}))


def pagination(query: CustomerListQuery, page: CustomerPage) -> dict[str, Any]:
    """Return the place of a page of customers in its list. Unknown values are null."""
    return {
        "current_page": None if query.has_cursor else query.page,
        "per_page": query.per_page,
        "total": page.total,
        "total_pages": None if page.total is None else total_pages(page.total, query.per_page),
        **({"next_cursor": page.next_cursor} if query.has_cursor else {}),
    }


def _links(request: Request, parameter: str, neighbours: Mapping[str, object]) -> dict[str, str]:
    """Return the ``Link`` header to other pages: the same query with another value of ``parameter``."""
    if not neighbours:
        return {}
    address = origin(request) + request.scope["path"]
    others = _without(parameter, request.scope["query_string"].decode("latin-1"))
    start = f"{address}?{others}&{parameter}=" if others else f"{address}?{parameter}="
    link = ", ".join(f'<{start}{value}>; rel="{relation}"' for relation, value in neighbours.items())
    return {"Link": link} if len(link) <= MAX_LINK_BYTES else {}
