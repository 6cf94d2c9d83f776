"""PHP's brackets, as ``http_build_query``, jQuery and curl write them."""

from typing import Any

import pytest

from fluent_cart.formats.php_query import MAX_LEVELS, parse_query


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("&&", {}),
        ("=1", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=x+y%20z%2B", {"a": "x y z+"}),
        ("a=%C3%A4", {"a": "ä"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("a=%zz&%zz=1", {"a": "%zz", "%zz": "1"}),
    ],
)
def test_values_of_plain_fields_are_texts(text: str, fields: dict[str, Any]) -> None:
    assert parse_query(text) == fields


@pytest.mark.parametrize(
    "text", ["", "a", "a=1&a=2", "&&a=b=c&=x&", "a=\xe4&b=;", "page=1&per_page=10&search="]
)
def test_query_with_nothing_to_decode_is_read_as_any_other(text: str) -> None:
    """Such a query is decoded faster, unless it has an encoded letter."""
    assert parse_query(text) == {
        k: v for k, v in parse_query(f"{text}&%62arrier=1").items() if k != "barrier"
    }


def test_too_many_fields_are_an_error_with_or_without_something_to_decode() -> None:
    for field in ("a=1", "%61=1"):
        assert parse_query("&".join([field] * 5), max_fields=5) == {"a": "1"}
        with pytest.raises(ValueError, match="fields"):
            parse_query("&".join([field] * 6), max_fields=5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a[]=1&a[]=2", ["1", "2"]),
        ("a[0]=1&a[1]=2", ["1", "2"]),
        ("a%5B%5D=1&a%5B%5D=2", ["1", "2"]),
        ("a[3]=x&a[7]=y", ["x", "y"]),
        ("a[]=1&a[1]=2", ["1", "2"]),
        ("a[0]=1&a[0]=2", ["2"]),
        ("a[]=", [""]),
        ("a[][]=1&a[][]=2", [["1"], ["2"]]),
        ("a[][b]=1&a[][b]=2", [{"b": "1"}, {"b": "2"}]),
        ("a[0][b]=1&a[0][c]=2", [{"b": "1", "c": "2"}]),
    ],
)
def test_names_with_empty_brackets_become_lists(text: str, value: Any) -> None:
    assert parse_query(text) == {"a": value}


@pytest.mark.parametrize("text", ["a[1]=x&a[]=y", "a[1]=x&a[2]=y", "a[5]=x&a[]=y", "a[]=x&a[9]=y"])
def test_no_item_is_lost_when_numbered_and_unnumbered_ones_meet(text: str) -> None:
    """As in PHP, an empty bracket is the number after the largest one so far."""
    assert parse_query(text) == {"a": ["x", "y"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a[b]=1&a[c]=2", {"b": "1", "c": "2"}),
        ("a[b][c]=1&a[b][d]=2", {"b": {"c": "1", "d": "2"}}),
        ("a[b][]=1&a[b][]=2", {"b": ["1", "2"]}),
        ("a[b]=1&a[b]=2", {"b": "2"}),
        ("a[b]=1&a[]=2", {"b": "1", "0": "2"}),
        ("a[²]=1", {"²": "1"}),
        ("a=1&a[b]=2", {"b": "2"}),
        ("a[b]=1&a=2", "2"),
        ("a[b]=1&a[b][c]=2", {"b": {"c": "2"}}),
    ],
)
def test_names_with_keys_in_brackets_become_objects(text: str, value: Any) -> None:
    assert parse_query(text) == {"a": value}


@pytest.mark.parametrize("name", ["a[", "a]", "a[b", "a[[]", "a[[b]]", "a[b]c", "a[b]]", "[a]", "[]", "["])
def test_name_with_loose_brackets_is_an_ordinary_name(name: str) -> None:
    assert parse_query(f"{name}=1") == {name: "1"}


def test_names_with_too_many_brackets_are_cut() -> None:
    value = parse_query("a" + "[a]" * 1000 + "=1")
    levels = 0
    while isinstance(value, dict):
        value, levels = value["a"], levels + 1
    assert (levels, value) == (MAX_LEVELS, "1")


class TestWhatIsNotUtf8:
    def test_bytes_that_are_not_utf_8_are_replaced_in_a_query(self) -> None:
        assert parse_query("a=%ff") == {"a": "\ufffd"}
        assert "\ud800" not in parse_query("a=%ED%A0%80")["a"]

    def test_bytes_that_are_not_utf_8_are_rejected_in_strict_mode(self) -> None:
        with pytest.raises(ValueError, match="invalid start byte"):
            parse_query("a=%ff", errors="strict")


def test_more_fields_than_allowed_are_refused() -> None:
    assert parse_query("a=1&b=2", max_fields=2) == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="Max number of fields exceeded"):
        parse_query("a=1&b=2&c=3", max_fields=2)
