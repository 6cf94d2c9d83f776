"""The requests to a shop of a million customers, and the limit of the median duration of each."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmarks import HOST, names
from benchmarks.registry import SQLITE, Arm
from benchmarks.workloads import PATH, Request, Workload
from fluent_cart.enums import SortField

Limit = float | tuple[float, float] | None


@dataclass(frozen=True)
class Query:
    """Requests of one kind; ``limit`` is in milliseconds, for SQLite and for PostgreSQL if they differ."""

    name: str
    request: Callable[[int], Request]
    limit: Limit = None

    def goal(self, arm: Arm) -> float | None:
        """Return the limit on the database of ``arm``."""
        if isinstance(self.limit, tuple):
            return self.limit[0 if arm.database == SQLITE else 1]
        return self.limit

    def requests(self, count: int, start: int = 0) -> list[bytes]:
        """Return ``count`` requests as they go over the wire."""
        return [self.request(number).to_bytes(HOST) for number in range(start, start + count)]


def _list(**query: object) -> Callable[[int], Request]:
    request = Request("GET", f"{PATH}?{urlencode(query)}")
    return lambda _number: request


def _bulk_status(number: int) -> Request:
    """Change a thousand customers; when they come round again, change them back."""
    turn, place = divmod(number, 10)
    body = {
        "action": "update_status",
        "customer_ids": list(range(place * 1000 + 1, place * 1000 + 1001)),
        "data": {"status": "active" if turn % 2 else "inactive"},
    }
    return Request("POST", f"{PATH}/do-bulk-action", body)


PAGE_1 = Query("page 1", _list())
# These are asked of the usual application, too, which looks for them with LIKE.
SEARCHES = (
    Query("search: rare (one in 50,000)", _list(search=names.RARE), 5),
    Query("search: common (one in 50)", _list(search=names.COMMON), 5),
    Query("search: absent", _list(search=names.ABSENT), 5),
)
FILTERS = {
    "filters[status]": "active",
    "filters[date_from]": "2022-01-01",
    "filters[date_to]": "2022-12-31",
    "filters[total_spent_min]": 20_000,
}
QUERIES = (
    Query("search: very common (a first name)", _list(search=names.FIRST[0])),
    Query("search: two words", _list(search=f"{names.FIRST[0]} {names.COMMON}")),
    Query("search: two letters", _list(search="zo")),
    Query("search: one letter", _list(search="z")),
    *(
        Query(f"page 5,000 by {field.value}", _list(page=5000, order_by=field.value), (5, 15))
        for field in SortField
    ),
    Query("status + dates + spend", _list(**FILTERS), 35),
    Query("bulk status of 1,000", _bulk_status, 40),
)


def _any_search(number: int) -> Request:
    return SEARCHES[number % len(SEARCHES)].request(number)


SEARCH_LOAD = Workload("searches", _any_search)
