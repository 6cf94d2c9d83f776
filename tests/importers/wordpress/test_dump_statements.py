"""Every statement of a dump is read as the server would run it, or the import stops and names the line."""

from pathlib import Path

import pytest

from fluent_cart.importers.wordpress.source_tables import Change
from tests.importers.wordpress.conftest import Import, counts, dump_of, skipped
from tests.importers.wordpress.test_dump_parser import LABELS, complaint, labels, rows

ROW = "INSERT INTO `wp_fct_label` VALUES (1,'x');\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dump.sql"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE `wp_fct_label` SET value = 'y'",
        "UPDATE other JOIN wp_fct_label l ON l.id = other.id SET l.value = 'y'",
        "DELETE FROM wp_fct_label WHERE id = 1",
        "DELETE other FROM other JOIN `shop`.`wp_fct_label` USING (id)",
        "RENAME TABLE `new` TO `wp_fct_label`",
        "LOAD DATA LOCAL INFILE 'label.txt' INTO TABLE wp_fct_label",
        "ALTER TABLE wp_fct_label ADD COLUMN color text",
        "ALTER TABLE wp_fct_label ADD KEY a (value), DROP color",
        "ALTER TABLE `wp_fct_label` CHANGE value title text",
        "ALTER TABLE wp_fct_label RENAME COLUMN value TO title",
        "ALTER TABLE wp_fct_label MODIFY value text AFTER id",
        "INSERT INTO wp_fct_label SELECT * FROM old",
        "INSERT INTO wp_fct_label (id, value) SELECT 1, 'VALUES'",
        "INSERT INTO wp_fct_label SET id = 2, value = 'y'",
        "REPLACE wp_fct_label VALUE ROW(1, 'x')",
        "CREATE TABLE wp_fct_label LIKE old",
        "CREATE TABLE wp_fct_label (id int) AS SELECT 1 AS id",
        "CREATE TEMPORARY TABLE wp_fct_label (id int, value text)",
        "/*!40000 UPDATE wp_fct_label SET value = 'y' */",
        "DELIMITER $$\nUPDATE wp_fct_label SET value = 'y' $$\nDELIMITER ",
        f"CREATE TRIGGER t BEFORE INSERT ON wp_fct_label FOR EACH ROW SET NEW.value = 'y';\n{ROW}",
        f"DELIMITER //\nCREATE TRIGGER t BEFORE INSERT ON `wp_fct_label` FOR EACH ROW BEGIN\n"
        f"SET NEW.value = '//'; END //\nDELIMITER ;\n{ROW}",
    ],
)
def test_statement_that_changes_a_table_of_the_shop_stops_the_import(path: Path, statement: str) -> None:
    text = f"{LABELS}{ROW}{statement};\n"
    assert complaint(path, text).startswith(("Line 6: ", "Line 7: ", "Line 10: "))
    # The import ignores the same statement about another plugin's table.
    customers = "CREATE TABLE wp_fct_customers (id int, email text);\n"
    other = statement.replace("wp_fct_label", "wp_social_users").replace("x');", "x', 1, 1);")
    assert "wp_fct_customers" in rows(path, f"{customers}{other};\n")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE `wp_fct_label` ADD PRIMARY KEY (`id`), ADD KEY `a,b` (`value`)",
        "ALTER TABLE `wp_fct_label` MODIFY `id` bigint NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=5",
        "/*!40000 ALTER TABLE `wp_fct_label` DISABLE KEYS */",
        "CREATE INDEX a ON wp_fct_label (value)",
        "CREATE VIEW v AS SELECT * FROM wp_fct_label -- it's a view\n",
        "CREATE TRIGGER t AFTER DELETE ON other FOR EACH ROW SET @a = 1",
        "INSERT INTO other VALUES (1 /* it's */, -1)",
        "INSERT INTO other VALUES (1) # it's one\n",
        "DROP TABLE IF EXISTS `wp_posts`, `other`",
        "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop",
        "TRUNCATE other; DELETE FROM wp_posts",
        "SELECT 'UPDATE wp_fct_label'",
        "/*M!999999\\- enable the sandbox mode */",
        "/*!50001 CREATE ALGORITHM=UNDEFINED */\n/*!50001 VIEW `v` AS SELECT 1 */",
    ],
)
def test_statement_that_changes_no_row_of_the_shop_is_skipped(path: Path, statement: str) -> None:
    assert rows(path, f"{statement};\n{LABELS}{ROW}") == ["wp_fct_label", ("1", "x")]
    if "DATABASE" not in statement:
        assert rows(path, f"{LABELS}{ROW}{statement};\n") == ["wp_fct_label", ("1", "x")]


@pytest.mark.parametrize("statement", ["TRUNCATE TABLE `wp_fct_label`", "DELETE FROM wp_fct_label"])
def test_statement_that_empties_a_table_begins_it_again(path: Path, statement: str) -> None:
    assert labels(path, f"{ROW}{statement};{ROW}") == [("1", "x"), "wp_fct_label", ("1", "x")]


@pytest.mark.parametrize(
    "word", ["CALL fill()", "EXECUTE s", "PREPARE s FROM @sql", "ROLLBACK", "SOURCE x.sql"]
)
def test_statement_with_unknown_effects_stops_the_import(path: Path, word: str) -> None:
    assert f"Line 5: {word.split()[0]} may change rows" in complaint(path, f"{LABELS}{word};")
    assert "may change rows" in complaint(path, f"{LABELS}DELIMITER $$\n{word} $$\nDELIMITER ;")


def test_database_that_is_removed_after_its_tables_were_made_stops_the_import(path: Path) -> None:
    assert "Line 5: The dump removes a database" in complaint(path, f"{LABELS}DROP DATABASE shop;")
    other = f"USE a;\n{LABELS}INSERT INTO b.wp_fct_label VALUES (1,'x');"
    assert "Line 6: The dump holds several databases" in complaint(path, other)


@pytest.mark.parametrize(
    ("insert", "expected"),
    [
        ("INSERT wp_fct_label VALUES (1,'x')", [("1", "x")]),
        ("INSERT LOW_PRIORITY INTO wp_fct_label VALUE (1,'x')", [("1", "x")]),
        ("INSERT IGNORE wp_fct_label (value, id) VALUES ('x',1)", [Change.KEEP_FIRST, ("1", "x")]),
        ("REPLACE DELAYED wp_fct_label VALUES (1,'x')", [Change.KEEP_LAST, ("1", "x")]),
        ('INSERT INTO wp_fct_label VALUES (1,CONVERT("x" USING UTF8MB4))', [("1", "x")]),
        ("INSERT INTO wp_fct_label VALUES (1, CAST('x' AS JSON))", [("1", "x")]),
    ],
)
def test_insert_is_read_in_every_form(path: Path, insert: str, expected: list[object]) -> None:
    assert labels(path, f"{insert};") == expected


@pytest.mark.parametrize(("position", "line"), [(1, 6), (2, 7)])
def test_error_in_a_row_names_the_line_of_the_row(path: Path, position: int, line: int) -> None:
    values = ["(1,'x')", "(2,'y')", "(3,'z')"]
    values[position - 1] = "(1,nonsense)"
    text = f"{LABELS}INSERT INTO wp_fct_label VALUES\n" + ",\n".join(values) + ";"
    assert complaint(path, text).startswith(f"Line {line}: ")
    values[position - 1] = "(1)"
    text = f"{LABELS}INSERT INTO wp_fct_label VALUES\n" + ",\n".join(values) + ";"
    assert complaint(path, text).startswith(f"Line {line}: ")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("-- MySQL dump 10.13  Distrib 8.0.36", "-- Dump completed on 2026-01-01"),
        ("-- mysqldump-php https://github.com/ifsnop/mysqldump-php", "-- Dump completed on: x"),
        ("-- Adminer 4.8.1 MySQL 8.0.31 dump", "-- 2026-02-05 21:02:59"),
        ("-- AdminerEvo 4.8.4 MySQL 8.0.31 dump", "-- 2026-02-05 21:02:59 UTC"),
        (
            "/* DUPLICATOR-LITE (PHP BUILD MODE) MYSQL SCRIPT CREATED ON : x */",
            "/* DUPLICATOR_MYSQLDUMP_EOF */",
        ),
        ("# Data contents of table `wp_fct_label`", "# End of data contents of table `wp_fct_label`"),
        ("SET AUTOCOMMIT = 0;", "COMMIT;"),
        ("START TRANSACTION;", "COMMIT ;"),
        ("LOCK TABLES `wp_fct_label` WRITE;", "UNLOCK TABLES;"),
        (
            "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;",
            "/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;",
        ),
    ],
)
def test_dump_without_the_end_that_its_dumper_writes_is_not_whole(path: Path, begin: str, end: str) -> None:
    assert "is not whole" in complaint(path, f"{begin}\n{LABELS}")
    assert rows(path, f"{begin}\n{LABELS}{end}\n") == ["wp_fct_label"]
    # The end of one part does not show whether the next part is whole.
    assert "is not whole" in complaint(path, f"{begin}\n{LABELS}{end}\n{begin}\n{LABELS}")


async def test_repeated_ids_are_treated_as_the_server_treats_them(run_import: Import) -> None:
    def dump(verb: str, after: str = "") -> str:
        again = ", ".join(f"(1, '{new}@example.com', '2024-01-01 10:00:00')" for new in ("new", "newest"))
        text = dump_of(fct_customers=[{"email": "old@example.com"}])
        return f"{text}\n{verb} INTO wp_fct_customers (id, email, created_at) VALUES {again}{after};"

    report = await run_import(dump("INSERT IGNORE"))
    assert counts(report, "customers") == (3, 1, 0, 0, 0, 2)
    assert skipped(report, "customers") == {"repeated": []}
    report = await run_import(dump("INSERT IGNORE"))
    assert counts(report, "customers") == (3, 0, 0, 1, 0, 2)
    report = await run_import(dump("REPLACE"))
    assert counts(report, "customers")[4:] == (1, 2)
    assert not report.refused()
    report = await run_import(dump("INSERT"))
    assert report.refused() == {"customers": 2}


async def test_on_duplicate_key_stops_the_import_only_if_an_id_is_repeated(run_import: Import) -> None:
    text = dump_of(fct_customers=[{}])
    insert = (
        "INSERT INTO wp_fct_customers (id, email) VALUES (%d, 'a@b.example') ON DUPLICATE KEY UPDATE id=7;"
    )
    assert counts(await run_import(f"{text}\n{insert % 2}"), "customers")[1] == 2
    with pytest.raises(Exception, match="ON DUPLICATE KEY changes a row of wp_fct_customers"):
        await run_import(f"{text}\n{insert % 1}")


async def test_dropped_table_counts_as_missing(run_import: Import) -> None:
    report = await run_import(f"{dump_of(fct_customers=[{}])}\nDROP TABLE `wp_usermeta`;")
    assert report.missing == ["wp_usermeta"]
