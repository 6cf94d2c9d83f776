"""fluent-cart import wordpress, as a shop owner runs it."""

import json
import stat
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest
from sqlalchemy import delete

from fluent_cart.cli import import_wordpress
from fluent_cart.database import connect
from fluent_cart.importers.wordpress.live_database import without_password
from fluent_cart.importers.wordpress.source_tables import SourceError
from fluent_cart.models import User
from tests.cli.conftest import Run, complained, show_progress
from tests.importers.wordpress.conftest import SHOP, dump_of

TABLE = """\
table                  read  written  changed  unchanged  left  skipped
customers              63    63       0        0          0     0
customer_addresses     130   111      0        0          0     19
customer_meta          3     1        0        0          0     2
orders                 168   168      0        0          0     0
labels                 2     0        0        0          0     2
label_relationships    3     0        0        0          0     3
users                  10    10       0        0          0     0
usermeta               153   21       0        0          0     132
application_passwords  9     9        0        0          0     0
"""


@pytest.fixture(autouse=True)
def empty(shop: str) -> None:
    with connect(shop) as connection:
        connection.execute(delete(User))


def test_dump_is_imported_with_a_report(run: Run) -> None:
    planned = run("import", "wordpress", str(SHOP), "--dry-run")
    assert planned.code == 0
    assert run("users", "list").out == "There are no users.\n"
    done = run("import", "wordpress", str(SHOP))
    assert done.out.startswith(TABLE)
    assert "\n  customers: 1 duplicate_email: the e-mail address has an owner already," in done.out
    assert " (10, 62, 63, 64, 65, ...)\n" in done.out
    assert "\n  customer_meta: 2 orphan: " in done.out
    assert done.out.endswith("\nThe shop is imported.\n")
    assert planned.out.endswith("\nNothing was written: this was a dry run.\n")
    assert planned.out.splitlines()[:-1] == done.out.splitlines()[:-1]
    # A progress bar is for terminals.
    assert (planned.err, done.err) == ("", "")
    assert run("check").code == 0
    assert " jurgen " in run("users", "list").out


def test_report_of_a_wordpress_import_is_printed_as_json(run: Run) -> None:
    report = json.loads(run("import", "wordpress", str(SHOP), "--json", "--dry-run").out)
    assert report["dry_run"] is True
    assert report["missing_tables"] == report["other_totals"] == []
    assert report["tables"]["customers"] == {
        "read": 63,
        "written": 63,
        "changed": 0,
        "unchanged": 0,
        "left": 0,
        "skipped": 0,
        "reasons": {},
        "issues": report["tables"]["customers"]["issues"],
    }
    assert report["tables"]["customers"]["issues"]["unknown_status"] == {
        "count": 1,
        "treatment": "a status that is neither active nor inactive: it became inactive, and is kept in"
        " additional_info",
        "ids": [7],
    }


def test_different_row_is_changed_only_with_update(run: Run, tmp_path: Path) -> None:
    def dump(name: str, *passwords: str) -> str:
        listed = "".join(
            f'i:{number};a:2:{{s:4:"uuid";s:1:"{number}";s:8:"password";s:49:"$generic${text * 40}";}}'
            for number, text in enumerate(passwords)
        )
        meta = {"user_id": 1, "meta_key": "_application_passwords"}
        text = dump_of(
            users=[{"id": 1}],
            usermeta=[{**meta, "meta_value": f"a:{len(passwords)}:{{{listed}}}"}],
            fct_customers=[{"first_name": name, "ltv": 500}],
        )
        (path := tmp_path / "dump.sql").write_text(text)
        return str(path)

    first = run("import", "wordpress", dump("Ann", "a", "b")).out
    assert "    customer 1: total_spent 500 -> 0\n" in first
    left = run("import", "wordpress", dump("Bob", "a")).out
    assert "\nNot changed, but different from the source: 1 row. Use --update.\n" in left
    changed = run("import", "wordpress", dump("Bob", "a"), "--update").out
    assert "\n1 application passwords were revoked, as they were at the source.\n" in changed
    assert "differ from the source" not in changed


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_rows_that_are_refused_are_the_last_line_and_the_exit_code(
    run: Run, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert run("users", "create", "ada", "--email", "ada@example.com").code == 0
    text = dump_of(
        users=[{"user_login": "ada"}],
        fct_customers=[{}, {"id": "x"}],
        fct_customer_addresses=[{"customer_id": 99}],
        fct_orders=[{"total_paid": "x"}, {"mode": "test"}],
    )
    (path := tmp_path / "dump.sql").write_text(text)
    done = run("import", "wordpress", str(path), *options)
    assert done.code == 1
    assert done.out.endswith(" Refused: 1 customers, 1 orders, 1 users. The report has the reasons.\n")
    as_json = run("import", "wordpress", str(path), *options, "--json")
    assert (as_json.code, json.loads(as_json.out)["refused"]) == (
        1,
        {"customers": 1, "orders": 1, "users": 1},
    )


def test_import_of_a_shop_shows_progress_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    show_progress(monkeypatch)
    shown = run("import", "wordpress", str(SHOP), "--dry-run").err
    for step in ("source", "users", "customers", "customer_addresses", "orders"):
        assert step in shown
    assert "100%" in shown


def test_missing_tables_are_named(run: Run, tmp_path: Path) -> None:
    (path := tmp_path / "dump.sql").write_text("CREATE TABLE shop_fct_customers (id int, email text);")
    code, shown, _ = run("import", "wordpress", str(path))
    assert "\nNot in the source: shop_fct_customer_addresses, shop_fct_customer_meta," in shown
    assert shown.endswith(
        ", shop_users, shop_usermeta\n\nThe shop is imported. There is no customer in the source.\n"
    )
    assert code == 1
    assert run("import", "wordpress", str(path), "--prefix", "wp_") == complained(
        "There is no table wp_fct_customers. The prefixes found are: shop_"
    )


def test_unreadable_source_is_rejected(run: Run, tmp_path: Path) -> None:
    assert run("import", "wordpress", "no.sql") == complained("no.sql: No such file or directory")
    (path := tmp_path / "dump.sql").write_text("This is not a dump;")
    assert run("import", "wordpress", str(path)) == complained(
        "Line 1: The dump has text that is not SQL: 'This' .... Make it without 2>&1"
    )
    assert run("import", "wordpress", "mysql://reader:secret@127.0.0.1:1/shop").err.startswith(
        "fluent-cart: The database cannot be read: Can't connect to MySQL server"
    )


class TestPassword:
    """The password of a live database must not be an argument, which every local user could read."""

    ADDRESS = "mysql://reader@127.0.0.1:1/shop"

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The sources that are read."""
        sources: list[str] = []

        def note(source: str, *_: object) -> Iterator[tuple[str, None]]:
            sources.append(source)
            raise SourceError("not read here")

        monkeypatch.setattr(import_wordpress, "read_source", note)
        return sources

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (ADDRESS, "mysql://reader:p%40ss%2Fword@127.0.0.1:1/shop"),
            ("mysql://reader:own@127.0.0.1/shop", "mysql://reader:own@127.0.0.1/shop"),
            ("shop.sql", "shop.sql"),
        ],
    )
    def test_database_password_comes_from_the_environment(
        self, run: Run, read: list[str], monkeypatch: pytest.MonkeyPatch, source: str, expected: str
    ) -> None:
        monkeypatch.setenv("MYSQL_PWD", "p@ss/word")
        assert run("import", "wordpress", source) == complained("not read here")
        assert read == [expected]

    def test_database_password_is_prompted_for_at_a_terminal(
        self, run: Run, read: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MYSQL_PWD", raising=False)
        monkeypatch.setattr("typer.prompt", lambda _text, *, hide_input, **_: "typed" if hide_input else "")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        run("import", "wordpress", self.ADDRESS)
        monkeypatch.setattr("sys.stdin.isatty", lambda: False)
        run("import", "wordpress", self.ADDRESS)
        assert read == ["mysql://reader:typed@127.0.0.1:1/shop", self.ADDRESS]


def test_charset_option_decodes_a_dump_that_names_no_character_set(run: Run, tmp_path: Path) -> None:
    text = dump_of(fct_customers=[{"first_name": "Zoë"}]).replace("SET NAMES utf8mb4;", "")
    (source := tmp_path / "dump.sql").write_bytes(text.encode("latin-1"))
    assert "Add --charset latin1" in run("import", "wordpress", str(source)).err
    assert (
        "Unknown --charset. Use one of utf8, "
        in run("import", "wordpress", str(source), "--charset", "sjis").err
    )
    assert run("import", "wordpress", str(source), "--charset", "latin1").code == 0
    assert "Zoë" in run("export", "-").out


def test_html_report_has_every_issue_and_no_password(run: Run, folder: Path) -> None:
    run("import", "wordpress", str(SHOP), "--dry-run", "--html", "report.html")
    page = (folder / "report.html").read_text()
    assert stat.S_IMODE((folder / "report.html").stat().st_mode) == 0o600
    report = json.loads(run("import", "wordpress", str(SHOP), "--dry-run", "--json").out)
    for name, table in report["tables"].items():
        assert f'<td>{name.replace("_", " ")}</td><td class="number">{table["read"]:,}</td>' in page
        for issue, found in {**table["reasons"], **table["issues"]}.items():
            cells = f'<td>{issue.replace("_", " ")}</td><td class="number">{found["count"]}</td>'
            assert f"{cells}<td>{escape(found['treatment'])}</td>" in page
    assert "Run the import without --dry-run" in page
    assert "<script" not in page
    assert "default-src &#x27;none&#x27;; style-src &#x27;sha256-" in page


def test_html_report_of_refused_rows_says_what_to_do(run: Run, folder: Path) -> None:
    text = dump_of(
        users=[{"id": 1}],
        usermeta=[{"user_id": 1, "meta_key": "wp_capabilities", "meta_value": "broken"}],
        fct_customers=[{"id": 0}, {"id": 2, "first_name": "ZoÃ«", "ltv": 5}],
    ).replace("`created_at` text", "`made_at` text")
    (folder / "dump.sql").write_text(text)
    assert run("import", "wordpress", "dump.sql", "--html", "report.html").code == 1
    page = (folder / "report.html").read_text()
    for words in (
        "Refused: 1 customers. The report has the reasons.",
        "Look at the refused rows below.",
        "Add --repair-text, if",
        "Make a dump that has the missing tables",
        "<td>wp_fct_customers.created_at</td>",
        "<h2>Totals that differ</h2>",
        "Run fluent-cart check",
    ):
        assert words in page
    assert run("import", "wordpress", "dump.sql", "--html", "report.html").code == 1
    (folder / "dump.sql").write_text(dump_of(users=[{"id": 1, "display_name": "New"}]))
    run("import", "wordpress", "dump.sql", "--html", "report.html")
    page = (folder / "report.html").read_text()
    assert "The source has no customer" in page
    assert "Use --update to change them" in page
    assert run("import", "wordpress", "dump.sql", "--html", "fluent-cart.db").code == 1


def test_password_of_a_live_database_is_not_in_the_report() -> None:
    assert without_password("mysql://a:secret@host/shop") == "mysql://a:***@host/shop"
    assert without_password("shop.sql") == "shop.sql"
