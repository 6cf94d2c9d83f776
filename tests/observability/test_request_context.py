"""The client's address, in the form that lists of addresses and logs have."""

import pytest

from fluent_cart.observability.request_context import client_address


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"), ("::ffff:127.0.0.1", "127.0.0.1"), ("::FFFF:203.0.113.8", "203.0.113.8"),
        ("::ffff:7f00:1", "127.0.0.1"), ("0:0:0:0:0:ffff:127.0.0.1", "127.0.0.1"),
        ("::1", "::1"), ("2001:db8::1", "2001:db8::1"), ("unix", "unix"), ("unix:a", "unix:a"),
    ],
)  # fmt: skip
def test_ipv4_address_written_as_ipv6_is_an_ipv4_address(sent: str, expected: str) -> None:
    assert client_address({"client": (sent, 1)}) == expected


def test_connection_without_an_address_has_none() -> None:
    assert client_address({}) == ""
