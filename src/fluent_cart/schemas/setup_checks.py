"""The query of a list of labels."""

from pydantic import BaseModel

from fluent_cart.schemas.base import PageNumber, PerPage


class LabelListQuery(BaseModel):
    page: PageNumber = 1
    per_page: PerPage = 10
