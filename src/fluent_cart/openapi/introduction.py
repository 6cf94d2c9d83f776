"""The introduction of the OpenAPI document and of the docs page, and the tags."""

from collections.abc import Iterator
from importlib.resources import files

from fluent_cart.openapi.error_responses import all_error_types
from fluent_cart.wordpress.paths import NAMESPACE, ROOT

TITLE = "FluentCart Customers API"
SUMMARY = "Customers of a FluentCart shop"
LICENSE = {"name": "MIT", "identifier": "MIT"}
BEYOND = "Beyond the documentation"
# In the contract's order. The operations within them have the contract's order, too.
TAGS = [
    {"name": "Customers", "description": "List, create, read and update customers."},
    {"name": "Stats", "description": "Total, number of orders, average and dates of a customer's orders."},
    {"name": "Orders", "description": "The orders of a customer."},
    {"name": "Addresses", "description": "The addresses of a customer. Exactly one is primary."},
    {"name": "User attachment", "description": "The WordPress user that a customer is attached to."},
    {"name": "Bulk actions", "description": "Delete, change or export many customers with one request."},
    {"name": BEYOND, "description": "Operations that the documentation does not have."},
]
# The server of the samples is the contract's. A client of the document uses the server of the document.
SERVER = f"{ROOT}/{NAMESPACE}"
SERVERS = [{"url": SERVER, "description": "The server that this document comes from"}]


def describe() -> str:
    """Return the introduction, in Markdown, with a row for each error."""
    text = (files(__package__) / "introduction.md").read_text("utf-8")
    return text.replace("{errors}", "\n".join(_error_rows()))


def _error_rows() -> Iterator[str]:
    yield "| status | code | when |"
    yield "|---|---|---|"
    for error in sorted(all_error_types(), key=lambda error: error.status):
        yield f"| {error.status} | `{error.code}` | {error.when} |"
