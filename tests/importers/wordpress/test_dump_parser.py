"""Dumps as they are written, and dumps as they should not be."""

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from fluent_cart.importers.wordpress import buffered_reader
from fluent_cart.importers.wordpress.dump_file import read_dump
from fluent_cart.importers.wordpress.source_tables import KINDS, Change, RefuseRepeated, SourceError
from tests.importers.wordpress.conftest import SHOP

LABELS = "CREATE TABLE `wp_fct_label` (\n  `id` bigint(20) unsigned,\n  `value` varchar(192)\n);\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dump.sql"


def rows(path: Path, text: str | bytes, prefix: str | None = None) -> list[Any]:
    """Return the rows of a dump, and the name of each table at its beginning."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    read = read_dump(str(path), prefix, lambda _done, _total: None)
    return [table if row is Change.EMPTY else row for table, row in read]


def labels(path: Path, text: str | bytes) -> list[Any]:
    """Return the rows of a dump that has labels alone."""
    head = LABELS.encode()
    return rows(path, head + (text.encode() if isinstance(text, str) else text))[1:]


def complaint(path: Path, text: str | bytes) -> str:
    with pytest.raises(SourceError) as error:
        rows(path, text)
    return str(error.value)


class TestWholeDumps:
    def test_dump_of_a_shop_is_read(self) -> None:
        seen = []
        found = list(read_dump(str(SHOP), None, lambda *progress: seen.append(progress)))
        numbers = {kind.name: 0 for kind in KINDS.values()}
        for table, row in found:
            numbers[KINDS[table.removeprefix("wp_")].name] += row is not Change.EMPTY
        assert numbers == {
            "customers": 63,
            "customer_addresses": 130,
            "customer_meta": 3,
            "orders": 168,
            "labels": 2,
            "label_relationships": 3,
            "users": 10,
            "usermeta": 153,
            "sitemeta": 0,
        }
        size = SHOP.stat().st_size
        assert seen[-1] == (size, size)

    @pytest.mark.parametrize("chunk", [1, 2, 7, 100])
    def test_dump_is_read_the_same_with_any_buffer(
        self, path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = LABELS + ROWS
        whole = rows(path, text)
        monkeypatch.setattr(buffered_reader, "CHUNK", chunk)
        assert rows(path, text) == whole
        assert len(whole) == 7

    def test_dump_by_phpmyadmin_is_read(self, path: Path) -> None:
        text = """\ufeff-- phpMyAdmin SQL Dump
-- https://example.com/

SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
/*!40101 SET NAMES utf8mb4 */;

--
-- Table structure for table `wp_fct_label`; it's one
--
# INSERT INTO `wp_fct_label` VALUES (66, 'no');
CREATE TABLE `wp_fct_label` (
  `id` bigint(20) UNSIGNED NOT NULL,
  `value` varchar(192) NOT NULL COMMENT 'it''s a, (label)',
  `created_at` datetime DEFAULT NULL,
  `price` decimal(12,4) NOT NULL CHECK (`price` > (1)),
  PRIMARY KEY (`id`), UNIQUE KEY `value` (`value`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT INTO `wp_fct_label` (`id`, `created_at`, `value`, `price`) VALUES
(1, NULL, 'a', '1.0000'),
(2, NULL, 'b', '1.0000') ON DUPLICATE KEY UPDATE `value` = ';';
ALTER TABLE `wp_fct_label` ADD PRIMARY KEY (`id`);
COMMIT;
"""
        *found, refusal = rows(path, text)
        assert found == ["wp_fct_label", ("1", "a"), ("2", "b")]
        assert isinstance(refusal, RefuseRepeated)
        assert refusal.reason.startswith("Line 22: ON DUPLICATE KEY changes a row of wp_fct_label")

    def test_triggers_and_procedures_are_skipped(self, path: Path) -> None:
        text = """/*!50003 SET sql_mode = 'STRICT' */ ;
DELIMITER ;;
/*!50003 CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN
INSERT INTO wp_fct_label VALUES (66, 'it''s; no');
END */;;
CREATE PROCEDURE p() BEGIN /* it's */
INSERT INTO wp_fct_label VALUES (67, 'no');
END ;;
DELIMITER ;
INSERT INTO `wp_fct_label` VALUES (1,'yes');
delimiter $$
INSERT INTO `other` VALUES (68,'no')$$
DELIMITER ;
DELIMITER //
DELIMITER ;
INSERT INTO `wp_fct_label` VALUES (2,'yes');
"""
        assert labels(path, text) == [("1", "yes"), ("2", "yes")]

    def test_other_tables_are_skipped(self, path: Path) -> None:
        text = (
            "CREATE TABLE `wp_posts` (`id` int, `t` text DEFAULT ';');\n"
            "INSERT INTO `wp_posts` VALUES (1,'); INSERT INTO wp_fct_label VALUES (66,''no\\''');'),"
            '(2,"\\";`"),(3,\'`\\\\\');\n'
            "INSERT INTO `wp_fct_label` VALUES (1,'yes');\n"
        )
        assert labels(path, text) == [("1", "yes")]

    def test_table_that_is_created_again_is_empty(self, path: Path) -> None:
        text = LABELS + "INSERT INTO `wp_fct_label` VALUES (1,'old');\n"
        assert rows(path, text * 2) == ["wp_fct_label", ("1", "old")] * 2

    def test_dump_of_a_named_database_is_read(self, path: Path) -> None:
        text = "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `a`;\nUSE `a`;\n" + LABELS.replace(
            "`wp_", "`a`.`wp_"
        )
        assert rows(path, text + "REPLACE INTO a . wp_fct_label VALUES (1,'x');") == [
            "wp_fct_label",
            Change.KEEP_LAST,
            ("1", "x"),
        ]

    def test_dump_with_a_prefix_is_read(self, path: Path) -> None:
        text = LABELS + LABELS.replace("wp_", "wp_2_")
        customers = "CREATE TABLE `wp_2_fct_customers` (`id` int, `email` text);\n"
        assert rows(path, text + customers, "wp_2_") == ["wp_2_fct_label", "wp_2_fct_customers"]

    def test_dump_in_latin_1_is_read(self, path: Path) -> None:
        text = "/*!40101 SET NAMES latin1 */;\nINSERT INTO `wp_fct_label` VALUES (1,'Žofie');"
        assert labels(path, text.encode("cp1252")) == [("1", "Žofie")]


ROWS = """INSERT INTO `wp_fct_label` VALUES (1,'a\\'b''c"d\\\\'),(2,'line\\none
two\\r\\t\\Z\\b'),(3,'\\0\\%\\_\\x'),
 ( 4 , NULL ) , (5,"it's ""so"" \\"here\\""),(6,'); DROP TABLE x; -- /* \\\\');
"""


class TestValues:
    def test_texts_of_a_dump_are_read(self, path: Path) -> None:
        assert labels(path, ROWS) == [
            ("1", "a'b'c\"d\\"),
            ("2", "line\none\ntwo\r\t\x1a\b"),
            ("3", "\0\\%\\_x"),
            ("4", None),
            ("5", 'it\'s "so" "here"'),
            ("6", "); DROP TABLE x; -- /* \\"),
        ]

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("-12.50", "-12.50"),
            ("1e3", "1e3"),
            ("null", None),
            ("TRUE", "1"),
            ("false", "0"),
            ("0x4A75CC88", "Ju\u0308"),
            ("0x", ""),
            ("0xA", "\n"),
            ("x'4a'", "J"),
            ("X''", ""),
            ("b'101'", "5"),
            ("_binary 'a\\'b'", "a'b"),
            ("_utf8mb4'x'", "x"),
            ("'\udcff'", "\ufffd"),
            ("''", ""),
            ("'🎈'", "🎈"),
        ],
    )
    def test_values_of_all_kinds_are_read(self, path: Path, value: str, text: str | None) -> None:
        statement = f"SET NAMES utf8mb4; INSERT INTO wp_fct_label VALUES (1,{value});"
        assert labels(path, statement.encode("utf-8", "surrogateescape")) == [("1", text)]

    def test_longest_values_are_read(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each look is twice as far, or they would be matched again and again from their start."""
        monkeypatch.setattr(buffered_reader, "CHUNK", 1000)
        long = "x''\\'" * 200_000
        path.write_text(f"{LABELS}INSERT INTO wp_fct_label VALUES (1,'{long}');")
        looks = []
        [_, (_, row)] = read_dump(str(path), None, lambda *progress: looks.append(progress))
        assert isinstance(row, tuple)
        assert len(str(row[1])) == 600_000
        assert len(looks) < 20

    def test_long_statement_does_not_stay_in_memory(self, path: Path) -> None:
        values = ",".join(f"({number},'{'x' * 1000}')" for number in range(1, 5_000))
        path.write_text(f"{LABELS}INSERT INTO wp_fct_label VALUES {values};")
        del values
        tracemalloc.start()
        try:
            number = sum(1 for _ in read_dump(str(path), None, lambda _done, _total: None))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert number == 5_000
        assert peak < 2_500_000 < path.stat().st_size


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("INSERT INTO wp_fct_label VALUES (1,'a')", "ends within a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1,'a'),", "ends within a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1,'a", "ends within a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1);", "a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1,'a','b');", "a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1,'a' 'b');", "a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1,NOW());", "a row of wp_fct_label"),
            ("INSERT INTO wp_fct_label VALUES (1,nonsense);", "neither a text, a number nor NULL"),
            ("INSERT INTO wp_fct_label SELECT 1, 2;", "An INSERT into wp_fct_label has no VALUES"),
            ("INSERT INTO wp_fct_label (`id`) VALUES (1);", "wp_fct_label has no column value"),
            ("INSERT INTO wp_fct_orders VALUES (1);", "it has rows of wp_fct_orders, but not its columns"),
            ("CREATE TABLE wp_fct_orders (`id` int);", "wp_fct_orders has no column"),
            ("CREATE TABLE wp_fct_orders (`id` int", "ends within the definition of wp_fct_orders"),
            ("INSERT INTO other VALUES (1,'a", "ends within a text"),
            ("INSERT INTO other VALUES (1,2)", "ends within a statement"),
            ("/* never closed", "ends within a comment"),
            (
                "/*!40101 SET NAMES sjis */; INSERT INTO wp_fct_label VALUES (1,'a');",
                "in the character set sjis",
            ),
            ("SET sql_mode='NO_BACKSLASH_ESCAPES';", "NO_BACKSLASH_ESCAPES"),
            ("USE other;", "several databases"),
            ("DELIMITER $$\nINSERT INTO wp_fct_label VALUES (1,'a')$$\n", "never becomes ; again"),
        ],
    )
    def test_unreadable_dump_is_rejected_with_a_reason(self, path: Path, text: str, what: str) -> None:
        assert what in complaint(path, LABELS + text)

    def test_dump_without_its_last_line_is_rejected(self, path: Path) -> None:
        text = f"-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\n--\n{LABELS}"
        assert "'Dump completed' is missing" in complaint(path, text)
        assert rows(path, f"{text}\n-- Dump completed on 2026-11-23  8:23:28\n") == ["wp_fct_label"]

    def test_compressed_dump_that_is_cut_off_is_rejected(self, path: Path) -> None:
        packed = gzip.compress(LABELS.encode() * 1000)
        assert "cut off or damaged" in complaint(path, packed[:-20])
        assert "cut off or damaged" in complaint(path, packed[:50] + b"\0\0\0" + packed[53:])

    def test_dump_in_utf_16_is_rejected(self, path: Path) -> None:
        assert "UTF-16" in complaint(path, LABELS.encode("utf-16"))

    def test_row_that_is_too_long_is_rejected(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(buffered_reader, "MAX_TOKEN_BYTES", 100_000)
        monkeypatch.setattr(buffered_reader, "CHUNK", 1000)
        text = f"{LABELS}INSERT INTO wp_fct_label VALUES (1,'{'x' * 400_000}');"
        assert "or over 64 MiB long" in complaint(path, text)


@pytest.mark.parametrize(
    ("literal", "meant"),
    [
        (r"""'a ""b"" O\'Neil'""", """a ""b"" O'Neil"""),
        (r"""'it''s \\ ""'""", r"""it's \ """ + '""'),
        (r'''"a ''b'' \"c\""''', """a ''b'' "c\""""),
        (r'''"say ""x"" ''"''', """say "x" ''"""),
    ],
)
def test_only_the_quote_around_a_text_is_doubled_in_it(path: Path, literal: str, meant: str) -> None:
    assert labels(path, f"INSERT INTO `wp_fct_label` VALUES (1,{literal});") == [("1", meant)]


def test_comment_behind_the_completed_line_keeps_a_dump_whole(path: Path) -> None:
    text = f"-- MySQL dump 10.13\n{LABELS}-- Dump completed on 2026-01-01\n-- made by the nightly job\n"
    assert rows(path, text) == ["wp_fct_label"]


def test_second_create_if_not_exists_keeps_the_rows(path: Path) -> None:
    for begin in ("CREATE TABLE IF NOT EXISTS", "CREATE TABLE /*!32312 IF NOT EXISTS*/"):
        part = LABELS.replace("CREATE TABLE", begin) + "INSERT INTO `wp_fct_label` VALUES (%d,'x');\n"
        assert rows(path, part % 1 + part % 2) == ["wp_fct_label", ("1", "x"), ("2", "x")]
        dropped = "DROP TABLE IF EXISTS `other`, `wp_fct_label`;\n"
        assert rows(path, part % 1 + dropped + part % 2)[2:] == [
            Change.DROP,
            "wp_fct_label",
            ("2", "x"),
        ]


def test_table_of_another_plugin_may_lack_the_columns_of_users(path: Path) -> None:
    customers = "CREATE TABLE `wp_fct_customers` (`id` int, `email` text);\n"
    social = "CREATE TABLE `wp_social_users` (`ID` int);\nINSERT INTO `wp_social_users` VALUES (1);\n"
    assert "wp_fct_customers" in rows(path, social + customers)
    assert "wp_users has no column" in complaint(path, customers + social.replace("wp_social_", "wp_"))


@pytest.mark.parametrize(
    "begin",
    ["START TRANSACTION;", "LOCK TABLES `x` WRITE;", "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@x */;"],
)
def test_dump_that_does_not_end_what_it_began_is_not_whole(path: Path, begin: str) -> None:
    assert "is not whole" in complaint(path, f"{begin}\n{LABELS}")


def test_message_of_a_program_in_a_dump_is_rejected(path: Path) -> None:
    text = (
        "mysqldump: [Warning] Using a password can be insecure.\nINSERT INTO `wp_fct_label` VALUES (1,'x');\n"
    )
    assert "not SQL: 'mysqldump:'" in complaint(path, LABELS + text)


def test_prefix_that_the_dump_does_not_have_names_those_that_it_has(path: Path) -> None:
    customers = "CREATE TABLE `wp_fct_customers` (`id` int, `email` text);\n"
    with pytest.raises(
        SourceError, match=r"no table shop_fct_customers\. The prefixes found are: wp_, wp_2_$"
    ):
        rows(path, customers + customers.replace("wp_", "wp_2_"), "shop_")
