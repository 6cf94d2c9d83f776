"""The requests to a shop of a million customers, and the limit of the median duration of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlencode

from benchmarks import HOST, generate, names
from benchmarks.registry import SQLITE, Arm
from benchmarks.workloads import EPOCH, PATH, Request, Workload
from fluent_cart.enums import DuplicateReason, SortField
from fluent_cart.models import Customer

Limit = float | tuple[float, float] | None


@dataclass(frozen=True)
class Query:
    """Requests of one kind. ``limit`` is in milliseconds, for SQLite and for PostgreSQL if they differ."""

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


def _get(path: str) -> Callable[[int], Request]:
    request = Request("GET", f"{PATH}{path}")
    return lambda _number: request


def _list(**query: object) -> Callable[[int], Request]:
    return _get(f"?{urlencode(query)}")


def _bulk_status(number: int) -> Request:
    """Change a thousand customers. The next request of the same ids changes them back."""
    turn, place = divmod(number, 10)
    body = {
        "action": "update_status",
        "customer_ids": list(range(place * 1000 + 1, place * 1000 + 1001)),
        "data": {"status": "active" if turn % 2 else "inactive"},
    }
    return Request("POST", f"{PATH}/do-bulk-action", body)


PAGE_1 = Query("page 1", _list())
# The usual application gets these queries, too, and searches with LIKE.
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


@cache
def _emails() -> list[str]:
    """Return the addresses of the first customers, which are the same in a shop of any size."""
    [batch] = generate.batches(1000)
    column = generate.COLUMNS[Customer].index("email")
    return [row[column] for row in batch.customers]


def _by_email(number: int) -> Request:
    return _list(**{"filters[email]": _emails()[number % 1000]})(number)


def _by_ids(number: int) -> Request:
    ids = ",".join(str((number * 7919 + place * 101) % 10_000 + 1) for place in range(100))
    return _list(**{"filters[ids]": ids, "per_page": 100})(number)


def _changes(number: int) -> Request:
    return Request("GET", f"{PATH}/changes?after={EPOCH}-0-{number * 4000}&per_page=100")


def _filter(**filters: object) -> Callable[[int], Request]:
    return _list(**{f"filters[{name}]": value for name, value in filters.items()})


MONTH = ("2023-06-01", "2023-06-30")
# None of them is in FluentCart's documentation.
BEYOND = (
    Query("filter: updated in a month", _filter(updated_from=MONTH[0], updated_to=MONTH[1]), 50),
    Query("filter: last order in a month", _filter(last_order_from=MONTH[0], last_order_to=MONTH[1]), 50),
    Query("filter: 3 orders or more", _filter(order_count_min=3), 50),
    Query("filter: no orders", _filter(order_count_max=0), 50),
    Query("filter: country (one in six)", _filter(country="JP"), 50),
    Query("filter: with a user (none)", _filter(has_user="true"), 50),
    Query("filter: without a user (all)", _filter(has_user="false"), 50),
    Query("filter: e-mail address", _by_email, 50),
    Query("filter: 100 ids", _by_ids, 50),
    Query("country, uncounted", _list(**{"filters[country]": "JP", "include_total": "false"}), 50),
    Query("include addresses, stats and orders", _list(include="addresses,stats,orders"), 50),
    Query("cursor, 100", _list(cursor="", per_page=100), 50),
    Query("changes, 100", _changes, 50),
    *(
        Query(f"duplicates by {reason}", _get(f"/duplicates?reason={reason.value}"), 150)
        for reason in DuplicateReason
    ),
)


def _any_search(number: int) -> Request:
    return SEARCHES[number % len(SEARCHES)].request(number)


SEARCH_LOAD = Workload("searches", _any_search)
