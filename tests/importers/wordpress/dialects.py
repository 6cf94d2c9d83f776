"""Dumps in the form of the programs that write them: quotes, escapes, verbs, lines and ends."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

Value = str | int | None
Rows = Sequence[tuple[Value, ...]]
Tables = Mapping[str, tuple[Sequence[str], Rows]]
Quote = Callable[[str], bytes]


def _escaped(text: str, escapes: Mapping[str, str]) -> bytes:
    return "".join(escapes.get(character, character) for character in text).encode()


MYSQL = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"}
UPDRAFT = {"\\": "\\\\", "'": "\\'", "\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z"}


def by_c_api(text: str) -> bytes:
    return b"'" + _escaped(text, MYSQL) + b"'"


def by_php(text: str) -> bytes:
    """Quote a text as UpdraftPlus, HeidiSQL and WP Migrate do: double quotes stay as they are."""
    return b"'" + _escaped(text, UPDRAFT) + b"'"


def by_doubling(text: str) -> bytes:
    return b"'" + _escaped(text, {"\\": "\\\\", "'": "''"}) + b"'"


def in_double_quotes(text: str) -> bytes:
    return b'"' + _escaped(text, MYSQL) + b'"'


def in_hexadecimal(text: str) -> bytes:
    return b"0x" + text.encode().hex().encode() if text else b"''"


def in_latin_1(text: str) -> bytes:
    return by_c_api(text).decode().encode("cp1252")


class Dialect(NamedTuple):
    name: str
    quote: Quote
    head: str = ""
    tail: str = ""
    create: str = "CREATE TABLE"
    insert: str = "INSERT INTO"
    # Texts around the rows of one table, between rows, and after the last one.
    before: str = ""
    after: str = ""
    between: str = ","
    cells: str = ","
    has_columns: bool = False
    one_row_each: bool = False
    repeats_ids: bool = False
    charset: str = "utf-8"


SAVED = "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES utf8mb4 */;\n"
RESTORED = "/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n"
LOCKED = "LOCK TABLES `{table}` WRITE;\n/*!40000 ALTER TABLE `{table}` DISABLE KEYS */;\n"
UNLOCKED = "/*!40000 ALTER TABLE `{table}` ENABLE KEYS */;\nUNLOCK TABLES;\n"

DIALECTS = (
    Dialect(
        "mysqldump, WP-CLI",
        by_c_api,
        "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n" + SAVED,
        RESTORED + "-- Dump completed on 2026-01-01 10:00:00\n",
        before=LOCKED,
        after=UNLOCKED,
    ),
    Dialect(
        "mariadb-dump --replace",
        by_c_api,
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11\n--\n" + SAVED,
        RESTORED + "-- Dump completed on 2026-01-01 10:00:00\n",
        insert="REPLACE INTO",
        before=LOCKED,
        after=UNLOCKED,
        one_row_each=True,
        repeats_ids=True,
    ),
    Dialect(
        "phpMyAdmin",
        by_c_api,
        '-- phpMyAdmin SQL Dump\nSET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";\nSTART TRANSACTION;\n' + SAVED,
        "COMMIT;\n" + RESTORED,
        before="--\n-- Dumping data for table `{table}`; it's one\n--\n\n",
        between=",\n",
        cells=", ",
        has_columns=True,
    ),
    Dialect(
        "phpMyAdmin 3",
        by_doubling,
        "-- phpMyAdmin SQL Dump\n\n/*!40101 SET NAMES utf8mb4 */;\n",
        create="CREATE TABLE IF NOT EXISTS",
        between=",\n",
        cells=", ",
        has_columns=True,
    ),
    Dialect(
        "Adminer",
        by_c_api,
        "-- Adminer 4.8.1 MySQL 8.0.31 dump\n\nSET NAMES utf8;\n\nSET NAMES utf8mb4;\n",
        "-- 2026-01-01 10:00:00\n",
        before="TRUNCATE `{table}`;\n",
        between=",\n",
        cells=",\t",
        has_columns=True,
    ),
    Dialect(
        "HeidiSQL",
        by_php,
        "-- Host: 127.0.0.1\n" + SAVED,
        RESTORED,
        create="CREATE TABLE IF NOT EXISTS",
        insert="INSERT IGNORE INTO",
        before="DELETE FROM `{table}`;\n/*!40000 ALTER TABLE `{table}` DISABLE KEYS */;\n",
        between=",\n\t",
        cells=", ",
        has_columns=True,
        repeats_ids=True,
    ),
    Dialect(
        "UpdraftPlus",
        by_php,
        "# WordPress MySQL database backup\n# Created by UpdraftPlus version 1.24\n" + SAVED,
        RESTORED,
        before="#\n# Data contents of table `{table}`\n#\n",
        after="\n#\n# End of data contents of table `{table}`\n# --------\n",
        between=",\n ",
        cells=", ",
    ),
    Dialect(
        "mydumper",
        in_double_quotes,
        "/*!40101 SET NAMES binary*/;\n/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n",
        create="CREATE TABLE IF NOT EXISTS",
        between="\n,",
    ),
    Dialect(
        "Duplicator",
        in_double_quotes,
        "/* DUPLICATOR-LITE (PHP BUILD MODE) MYSQL SCRIPT CREATED ON : 2026-01-01 */\n\nSET NAMES utf8mb4;\n",
        "\n/* DUPLICATOR_MYSQLDUMP_EOF */\n",
        insert="INSERT IGNORE INTO",
        before="/* INSERT TABLE DATA: {table} */\n",
        between=",\n",
        cells=", ",
        repeats_ids=True,
    ),
    Dialect("mysqldump --hex-blob", in_hexadecimal, "SET NAMES utf8mb4;\n", insert="INSERT "),
    Dialect(
        "mysqldump in latin1",
        in_latin_1,
        "-- MySQL dump 10.13\n/*!40101 SET NAMES latin1 */;\n",
        "-- Dump completed on 2026-01-01 10:00:00\n",
        charset="cp1252",
    ),
)


def write(dialect: Dialect, tables: Tables) -> bytes:
    """Return a dump of tables. The first column of each is the id."""
    parts = [dialect.head.encode()]
    for table, (columns, rows) in tables.items():
        parts.append(_definition(dialect, table, columns))
        parts.append(dialect.before.replace("{table}", table).encode())
        parts += _inserts(dialect, table, columns, rows)
        parts.append(dialect.after.replace("{table}", table).encode())
    return b"".join([*parts, dialect.tail.encode()])


def _definition(dialect: Dialect, table: str, columns: Sequence[str]) -> bytes:
    key, *others = columns
    texts = ", ".join(f"`{column}` longtext COMMENT 'it''s, (a) text'" for column in others)
    return (
        f"DROP TABLE IF EXISTS `{table}`;\n{dialect.create} `{table}` (`{key}` bigint(20) NOT NULL, {texts},"
        # Makes tables several times as quickly as InnoDB.
        f" PRIMARY KEY (`{key}`)) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;\n"
    ).encode()


def _inserts(dialect: Dialect, table: str, columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    names = f" ({', '.join(f'`{column}`' for column in columns)})" if dialect.has_columns else ""
    head = f"{dialect.insert} `{table}`{names} VALUES{dialect.between.strip(',') or ' '}".encode()
    for some in [[row] for row in rows] if dialect.one_row_each else [rows]:
        if some:
            yield head + dialect.between.encode().join(_row(dialect, row) for row in some) + b";\n"


def _row(dialect: Dialect, row: tuple[Value, ...]) -> bytes:
    return b"(" + dialect.cells.encode().join(_cell(dialect, each) for each in row) + b")"


def _cell(dialect: Dialect, value: Value) -> bytes:
    if value is None:
        return b"NULL"
    return str(value).encode() if isinstance(value, int) else dialect.quote(value)
