"""PHP's serialised values, and texts that only look like them."""

from typing import Any

import pytest

from fluent_cart.formats.php_serialize import MAX_LEVELS, PhpError, unserialize


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("N;", None),
        ("b:1;", True),
        ("b:0;", False),
        ("i:-7;", -7),
        ("i:0;", 0),
        ("d:0.5;", 0.5),
        ('s:0:"";', ""),
        ('s:5:"Jürg";', "Jürg"),
        ('s:8:"a";s:1:"";', 'a";s:1:"'),
        ("a:0:{}", {}),
        ('a:2:{i:0;s:1:"a";s:1:"k";a:1:{i:0;N;}}', {0: "a", "k": {0: None}}),
    ],
)
def test_serialised_value_is_read(text: str, value: Any) -> None:
    assert unserialize(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "i:1",
        "b:2;",
        "i:99999999999999999999;",
        "d:nonsense;",
        's:4:"Jürg";',
        's:9:"a";',
        's:9999999999:"a";',
        'O:8:"stdClass":0:{}',
        'C:3:"Foo":0:{}',
        "R:1;",
        "a:1:{i:0;N;",
        "a:2:{i:0;N;}",
        "a:9999999999:{}",
        "a:1:{N;N;}",
        "a:1:{b:1;N;}",
        "a:1:{d:1;N;}",
        "N;N;",
        "a:1:{i:0;" * (MAX_LEVELS + 1) + "N;" + "}" * (MAX_LEVELS + 1),
        "a:1:{i:0;" * 100_000,
    ],
)
def test_malformed_value_is_rejected(text: str) -> None:
    with pytest.raises(PhpError):
        unserialize(text)
