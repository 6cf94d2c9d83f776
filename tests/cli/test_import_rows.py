"""fluent-cart import csv, ndjson and orders, as a shop owner runs them."""

import gzip
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from fluent_cart.database import connect
from fluent_cart.schemas.orders import OrderListQuery
from fluent_cart.services.orders import list_orders
from tests.cli.conftest import Run, complained, show_progress

DOCS = (Path(__file__).parents[2] / "docs" / "import-export.md").read_text()
FILE = """\
id,email,first_name,total_spent,addresses
1,ann@example.com,Ann,5000,"[{""address_1"": ""1 Main St"", ""city"": ""Rome"", ""country"": ""IT""}]"
2,none,Bob,,
3,carl@example.com,'=1+1,,
"""
TABLE = """\
rows       read  written  changed  unchanged  failed
customers  3     2        0        0          1

Failed:
  line 3: email: Must be a valid email address
"""


def test_csv_file_is_imported(run: Run, folder: Path, shop: str) -> None:
    (folder / "shop.csv").write_text(FILE)
    assert run("import", "csv", "shop.csv", "--dry-run") == (
        1, f"{TABLE}\nNothing was written: this was a dry run.\n", ""
    )  # fmt: skip
    assert run("export", "none.ndjson").code == 0
    assert (folder / "none.ndjson").read_text() == ""
    assert run("import", "csv", "shop.csv") == (
        1,
        f"{TABLE}\nNot imported: 1 line. Correct it and run the import again."
        " All other lines are imported.\n",
        "",
    )  # fmt: skip
    (folder / "shop.csv").write_text(FILE.replace(",none,", ",bob@example.com,"))
    again = run("import", "csv", "shop.csv")
    assert (again.code, again.out.splitlines()[1:]) == (
        0, ["customers  3     1        0        2          0", "", "The file is imported."]
    )  # fmt: skip
    assert run("check").code == 0
    run("export", "all.ndjson")
    ann = json.loads((folder / "all.ndjson").read_text().splitlines()[-1])
    assert (ann["total_spent"], ann["addresses"][0]["is_primary"]) == (0, True)


def test_report_of_an_ndjson_import_is_printed_as_json(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.ndjson").write_text('{"email": "a@example.com"}\n{"email": 1}\n[]\n')
    done = run("import", "ndjson", "a.ndjson", "--json")
    assert (done.code, json.loads(done.out)) == (1, {
        "dry_run": False, "read": 3, "written": 1, "changed": 0, "unchanged": 0, "failed": 2,
        "errors": [
            {"line": 2, "errors": {"email": ["Must be a valid email address"]}},
            {"line": 3, "errors": {"line": ["Must be a JSON object in UTF-8"]}},
        ],
    })  # fmt: skip


def test_imported_orders_update_totals_once(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.csv").write_text("email\na@example.com\n")
    (folder / "orders.csv").write_text(
        "customer_email,status,payment_status,total_amount,total_paid,currency,created_at\n"
        "a@example.com,completed,paid,2500,2500,USD,2024-01-01\n"
    )
    assert run("import", "csv", "a.csv").code == 0
    for _ in range(2):
        assert run("import", "orders", "orders.csv").out.endswith("\nThe file is imported.\n")
    with connect(shop) as connection:
        assert list_orders(connection, 1, OrderListQuery()).total == 1
    assert run("check").code == 0


def test_lines_that_a_quote_took_along_are_counted(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.csv").write_text('email,first_name\na@example.com,"A\nb@example.com,B\nc@example.com,C\n')
    done = run("import", "csv", "a.csv")
    assert done.code == 1
    assert "customers  3     0        0        0          3\n" in done.out
    assert (
        "\n  line 2: line: Is not CSV: lines 2 to 4 are one row, because a quote is not closed\n" in done.out
    )
    assert done.out.endswith(
        "\nNot imported: 3 lines. Correct them and run the import again. All other lines are imported.\n"
    )


def test_long_list_of_errors_is_cut(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.csv").write_text("email\n" + "x\n" * 30)
    shown = run("import", "csv", "a.csv", "--dry-run").out
    assert shown.count("  line ") == 20
    assert "\n  and 10 more lines. --json prints all of them\n" in shown


def test_ignored_column_is_not_imported(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.csv").write_text("email,user_id\na@example.com,999\n")
    assert run("import", "csv", "a.csv").code == 1
    assert run("import", "csv", "a.csv", "--ignore", "user_id").code == 0
    assert run("import", "csv", "a.csv", "--ignore", "x") == complained("--ignore: there is no column x")


def test_unknown_column_or_missing_file_stops_the_import(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.csv").write_text("emial\n")
    assert run("import", "csv", "a.csv").err.startswith("fluent-cart: Unknown column 'emial'. Use ")
    assert run("import", "csv", "b.csv") == complained("b.csv: No such file or directory")


def test_import_of_a_file_shows_progress_on_a_terminal(
    run: Run, folder: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_progress(monkeypatch)
    (folder / "a.csv").write_text("email\na@example.com\n")
    assert "100%" in run("import", "csv", "a.csv").err


def test_commands_of_the_guide_work(
    run: Run, folder: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command as printed, in order, with the output that the page describes."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCS, re.S)
    for name, content in re.findall(r"```\w* title=(\S+)\n(.*?)```", DOCS, re.S):
        (folder / name).write_text(content)
    commands = [line for line in "".join(blocks).splitlines() if line.startswith("fluent-cart")]
    assert len(commands) == 13
    for command in commands:
        _, *words = shlex.split(command, comments=True)
        target = words.pop() if ">" in words else None
        if "<" in words:
            source = (folder / words.pop()).open()
            monkeypatch.setattr("sys.stdin", source)
        done = run(*(word for word in words if word not in "<>"))
        assert done.code == 0, (command, done)
        if target:
            (folder / target).write_text(done.out)
        if "<" in words:
            source.close()
    assert run("check").code == 0


def test_compressed_file_and_standard_input_are_imported(
    run: Run, folder: Path, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.ndjson.gz").write_bytes(gzip.compress(b'{"email": "a@example.com"}\n'))
    assert run("import", "ndjson", "a.ndjson.gz").code == 0
    (folder / "b.csv").write_text("email\nb@example.com\n")
    with (folder / "b.csv").open("rb") as stream:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        assert run("import", "csv", "-").code == 0
    assert "b@example.com" in run("export", "-").out
    (folder / "c.csv").write_bytes(b"\x28\xb5\x2f\xfd")
    assert run("import", "csv", "c.csv") == complained("c.csv is compressed with zstd. Unpack it first")


def test_html_report_of_lines_escapes_what_the_file_has(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.ndjson").write_text('{"email": "a@example.com", "<b>&": 1}\n{"email": "b@example.com"}\n')
    assert run("import", "ndjson", "a.ndjson", "--html", "report.html").code == 1
    page = (folder / "report.html").read_text()
    assert "<td>&lt;b&gt;&amp;</td>" in page
    assert "Not imported: 1 line." in page
    assert "Correct the lines that failed" in page
    (folder / "a.ndjson").write_text('{"email": "b@example.com"}\n')
    assert run("import", "ndjson", "a.ndjson", "--dry-run", "--html", "report.html").code == 0
    assert "Run the import without --dry-run" in (folder / "report.html").read_text()
    assert run("import", "ndjson", "a.ndjson", "--html", "report.html").code == 0
    assert "Compare some rows" in (folder / "report.html").read_text()
