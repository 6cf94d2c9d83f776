"""Where applications may be sent back to, and where not."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from fluent_cart.errors import ValidationFailed
from fluent_cart.pages.account.callbacks import checked, form_action, with_query

REFUSALS = (
    "The application's success_url is not an address such as https://app.example/signed-in",
    "The scheme of the application's success_url is not allowed. Use https",
    "The application's success_url is not encrypted. Use https, or this machine's address",
)


@pytest.mark.parametrize(
    "address",
    [
        "https://app.example", "https://app.example/", "https://app.example:8443/a/b?c=d&e=f#g",
        "HTTPS://App.Example/x", "https://192.0.2.1/x", "https://[2001:db8::1]:8443/x", "https://xn--bcher-kva.example/",
        "http://localhost/x", "http://127.0.0.1:4321/x", "http://127.9.9.9/", "http://[::1]:4321/x",
        "http://app.localhost:3000/", "wordpress://app-passwords", "com.example.app://signed-in/x?y=z",
        "my-app+1.0://x",
    ],
)  # fmt: skip
def test_address_of_an_application_stays_as_it_is(address: str) -> None:
    assert checked(address, "success_url") == address


@pytest.mark.parametrize(
    "address",
    [
        # Addresses that a browser would run or open itself.
        "javascript:alert(1)", "javascript://app.example/%0aalert(1)", "JavaScript://app.example/%0aalert(1)",
        "data:text/html,x", "data://text/html,x", "vbscript://x", "file:///etc/passwd", "file://host/x",
        "blob:https://app.example/x", "blob://x", "about:blank", "about://blank", "view-source://x", "ws://x",
        "filesystem://x", "ftp://app.example/",
        # Not encrypted.
        "http://app.example/", "HTTP://app.example/", "http://localhost.example/", "http://127.0.0.1.example/",
        "http://10.0.0.1/", "http://[2001:db8::1]/", "http://0.0.0.0/", "http://2130706433/",
        # Another host than the one that is seen.
        "https://app.example@evil.example/", "https://app.example:pass@evil.example/",
        "https://evil.example\\@app.example/", "https:\\\\evil.example", "https:evil.example",
        "https:/evil.example", "https:///evil.example", "//evil.example", "/path", "evil.example",
        "app.example/x", "https://", "https://app.example:port/", "https://app.example:99999/",
        "https://[::::]/", "https://[app]/", "https://app.exam\tple/", "https://app.example\n.evil.example/",
        "https://b\u00fccher.example/", "https://app%2eexample/", "\u0130https://app.example", "1app://x",
        "app:x", ":", "",
        "https://app.example/" + "x" * 2048,
    ],
)  # fmt: skip
def test_invalid_callback_is_rejected_and_not_repeated_in_the_error(address: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        checked(address, "success_url")
    assert refused.value.message in REFUSALS


@pytest.mark.parametrize(
    ("address", "encoded"),
    [
        ("https://app.example/a b", "https://app.example/a%20b"),
        ("https://app.example/\u00fc?q=\u00fc", "https://app.example/%C3%BC?q=%C3%BC"),
        ("https://app.example/\r\nSet-Cookie: a=b", "https://app.example/%0D%0ASet-Cookie:%20a=b"),
        ('https://app.example/a\\b\0"<>', "https://app.example/a%5Cb%00%22%3C%3E"),
        (" https://app.example/ ", "https://app.example/"),
        ("https://app.example/%41", "https://app.example/%41"),
    ],
)
def test_invalid_characters_of_a_callback_are_encoded(address: str, encoded: str) -> None:
    assert checked(address, "reject_url") == encoded


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://app.example", "https://app.example?a=1%20%26&b=2"),
        ("https://app.example/x?c=3%26&d#e", "https://app.example/x?c=3%26&d&a=1%20%26&b=2#e"),
        ("https://app.example/x?a=old&ab=3&b", "https://app.example/x?ab=3&a=1%20%26&b=2"),
        ("com.example.app://x", "com.example.app://x?a=1%20%26&b=2"),
    ],
)
def test_values_are_added_to_the_query_of_a_callback(address: str, expected: str) -> None:
    result = with_query(address, a="1 &", b="2")
    assert result == expected
    assert dict(parse_qsl(urlsplit(result).query))["a"] == "1 &"


@pytest.mark.parametrize(
    ("addresses", "policy"),
    [
        ((), "'self'"),
        (("", ""), "'self'"),
        (("https://a.example/x", "https://b.example/"), "'self' https:"),
        (("http://127.0.0.1:1/x", ""), "'self' http: https:"),
        (("com.example.app://x", "https://a.example"), "'self' com.example.app: https:"),
    ],
)
def test_policy_names_the_schemes_of_the_addresses(addresses: tuple[str, ...], policy: str) -> None:
    assert form_action(*addresses) == policy
