"""Hosts of requests, in the forms that names and addresses have."""

import pytest

from fluent_cart.formats.host import is_host


@pytest.mark.parametrize(
    "host",
    [
        "shop.example", "SHOP.example", "shop.example.", "xn--bcher-kva.example", "my_shop", "localhost:8000",
        "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535", "[2001:DB8::7]", "[::ffff:192.0.2.1]:80", "x:",
        "x:0", "x:080", "x" * 253,
    ],
)  # fmt: skip
def test_name_or_address_with_or_without_port_is_a_host(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ":", ":80", "[]", "[]:80", "a b", "a\tb", " a", "a ", "a,b", "a, b", "user@a", "user:pw@a",
        "a:port", "a:-1", "a:+1", "a:65536", "a:99999", "a:000080", "a:1:2", "a:8 0", "a:\u0661", "::1",
        "[::1", "::1]", "[::g]", "[1::2::3]", "[1.2.3.4]", "[v1.x]", "[fe80::1%25eth0]", "[::1]x", "http://a",
        "a/b", "a?b", "a#b", "a\\b", "%41", "*", "a;b", "a'b", '"a"', "<a>", "a`", "a|b", "b\u00fccher",
        "a\x00b", "a\x01", "a\x7f", "a\n", "a\x80", "x" * 254,
    ],
)  # fmt: skip
def test_other_text_is_not_a_host(text: str) -> None:
    assert not is_host(text)
