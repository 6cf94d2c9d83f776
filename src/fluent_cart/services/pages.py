"""A page of results."""

from typing import NamedTuple

from fluent_cart.database.prepared import Record


class Page(NamedTuple):
    """The rows of one page, and the number of rows on all pages."""

    items: list[Record]
    total: int
