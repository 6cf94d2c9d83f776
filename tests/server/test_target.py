"""Targets of requests: paths and whole addresses."""

import pytest

from fluent_cart.errors import InvalidRequest
from fluent_cart.server.target import split_target


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", (b"/", None)),
        (b"/a?b=http://c", (b"/a?b=http://c", None)),
        (b"//a/b", (b"//a/b", None)),
        (b"http://a", (b"/", b"a")),
        (b"http://a/", (b"/", b"a")),
        (b"HTTPS://a:80/b?c=d@e", (b"/b?c=d@e", b"a:80")),
        (b"http://a?b", (b"/?b", b"a")),
        (b"http://user@a/", (b"/", b"user@a")),
        (b"http:///a", (b"/a", b"")),
    ],
)
def test_target_is_split_into_path_and_host(target: bytes, expected: tuple[bytes, bytes | None]) -> None:
    assert split_target(target, b"GET") == expected


@pytest.mark.parametrize(
    "target", [b"ftp://a/", b"file:///a", b"urn:a", b"a", b"a:80", b"?a", b"http:/a", b"*"]
)
def test_target_that_is_neither_a_path_nor_an_http_address_is_rejected(target: bytes) -> None:
    with pytest.raises(InvalidRequest):
        split_target(target, b"GET")


def test_asterisk_is_the_target_of_options_only() -> None:
    assert split_target(b"*", b"OPTIONS") == (b"*", None)


@pytest.mark.parametrize("target", [b"/a#b", b"/a?search=#5", b"http://a/#", b"#"])
def test_target_with_a_fragment_is_rejected_with_advice(target: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Write # as %23"):
        split_target(target, b"GET")
