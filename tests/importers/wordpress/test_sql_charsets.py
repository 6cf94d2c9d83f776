"""Texts of a dump are decoded in the character set that the server would take them for."""

from pathlib import Path
from typing import Any

import pytest

from fluent_cart.database import Database
from fluent_cart.importers.wordpress.run import Options
from fluent_cart.importers.wordpress.sql_charsets import CHARSETS, decoded_once
from fluent_cart.services import customers
from tests.importers.wordpress.conftest import DRY_RUN, Import, handled
from tests.importers.wordpress.test_dump_parser import complaint, labels


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dump.sql"


@pytest.mark.parametrize(
    "setting",
    [
        "SET NAMES latin1",
        'SET NAMES "latin1"',
        "SET NAMES 'latin1' COLLATE 'latin1_bin'",
        "/*!40101 SET NAMES latin1 */",
        "SET CHARACTER SET latin1",
        "SET SQL_MODE='', character_set_client=latin1",
        "SET NAMES latin1; SET @s = @@character_set_client; SET NAMES utf8; SET character_set_client = @s",
        "SET NAMES latin1; SET @s=@@session.CHARACTER_SET_CLIENT; SET NAMES utf8;SET CHARACTER_SET_CLIENT=@s",
    ],
)
def test_setting_of_the_client_decides_the_character_set(path: Path, setting: str) -> None:
    insert = f"{setting};\nINSERT INTO wp_fct_label VALUES (1,'Zoë');"
    assert labels(path, insert.encode("latin-1")) == [("1", "Zoë")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"_latin1'Zo\xeb'", "Zoë"),
        (b"_utf8mb4'Zo\xc3\xab'", "Zoë"),
        (b"_binary'Zo\xc3\xab'", "Zoë"),
        (b"0x5A6FC3AB", "Zoë"),
        (b"'Zo\xeb'", "Zoë"),
        # Bytes that Windows-1252 lacks and MySQL keeps, so that they can be decoded again.
        (b"'\xc3\x81\x8d\x8f\x90\x9d'", "Ã\x81\x8d\x8f\x90\x9d"),
    ],
)
def test_text_may_name_another_character_set(path: Path, value: bytes, text: str) -> None:
    assert labels(path, b"SET NAMES latin1;INSERT INTO wp_fct_label VALUES (1," + value + b");") == [
        ("1", text)
    ]


def test_binary_and_default_are_utf_8(path: Path) -> None:
    for charset in ("binary", "DEFAULT", "utf8", "utf8mb3"):
        assert labels(path, f"SET NAMES {charset};INSERT INTO wp_fct_label VALUES (1,'Zoë');") == [
            ("1", "Zoë")
        ]


def test_text_that_is_not_utf_8_stops_a_dump_that_names_no_character_set(path: Path) -> None:
    insert = b"INSERT INTO wp_fct_label VALUES (1,'Zo\xeb');"
    assert "Line 5: A text is not UTF-8" in complaint(
        path, b"CREATE TABLE wp_fct_label (\nid int,\nvalue text\n);\n" + insert
    )
    assert labels(path, b"SET NAMES utf8mb4;" + insert) == [("1", "Zo\ufffd")]


@pytest.mark.parametrize("charset", CHARSETS)
def test_every_character_set_is_decoded(path: Path, charset: str) -> None:
    assert labels(path, f"SET NAMES {charset};INSERT INTO wp_fct_label VALUES (1,'a');") == [("1", "a")]


@pytest.mark.parametrize("text", ["Zoë", "Žofie Łuczak", "Áí ÏÐÝ", "日本", "🎈", "naïve – “quoted” €"])
def test_text_that_was_encoded_twice_is_decoded_once(text: str) -> None:
    twice = text.encode().decode("cp1252", "mysql_latin1")
    assert decoded_once(twice) == text
    assert decoded_once(text) is None
    assert decoded_once("Zoe") is None


async def test_text_that_was_encoded_twice_is_reported_and_repaired_on_demand(
    run_import: Import, empty: Database
) -> None:
    tables: dict[str, Any] = {
        "users": [{"id": 1}],
        "usermeta": [{"user_id": 1, "meta_key": "note", "meta_value": "ZoÃ«"}],
        "fct_customers": [{"first_name": "ZoÃ«", "last_name": "Müller"}, {"first_name": "Zoë"}],
    }
    report = await run_import(options=DRY_RUN, **tables)
    assert handled(report, "customers") == {"twice_encoded": [1]}
    # Data that is not imported is not reported.
    assert handled(report, "usermeta") == {}
    report = await run_import(options=Options(repair_text=True), **tables)
    assert handled(report, "customers") == {"repaired_text": [1]}
    customer = await empty.read(customers.get_customer, 1)
    assert (customer["first_name"], customer["last_name"]) == ("Zoë", "Müller")
