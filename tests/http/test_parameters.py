"""Links to other pages keep the query of the request."""

from urllib.parse import parse_qsl, urlencode

import pytest
from fastapi import Request

from fluent_cart.http.parameters import _without, page_headers


@pytest.mark.parametrize(
    "query",
    [
        "", "page=2", "page=2&per_page=10", "per_page=10&page=2", "a=1&page=2&b=&page=3",
        "mypage=1&page=2&pages=3", "filters[status]=active&page=2", "search=a%20b+c&page=2", "%70age=2&a=1",
        "search=%C3%A4&page=2", "a&page=2", 'a=">&page=2', "a=b=c&page=2", "&&a=1&&",
    ],
)  # fmt: skip
def test_page_is_taken_out_of_any_query_in_the_same_way(query: str) -> None:
    """A query in which nothing is encoded takes a shorter way."""
    sent = parse_qsl(query, keep_blank_values=True)
    assert _without("page", query) == urlencode([(name, value) for name, value in sent if name != "page"])


def test_link_header_that_proxies_cannot_read_is_left_out() -> None:
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": "/x", "headers": [(b"host", b"shop")],
        "query_string": b"search=" + b"x" * 3000,
    }  # fmt: skip
    assert page_headers(Request(scope), 2, 10, 1000).keys() == {"X-WP-Total", "X-WP-TotalPages"}
    short = {**scope, "query_string": b"search=" + b"x" * 1000}
    assert "Link" in page_headers(Request(short), 2, 10, 1000)
