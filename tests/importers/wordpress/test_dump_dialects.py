"""Random rows in every dialect are read as the database server reads them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from fluent_cart.database import Database
from fluent_cart.importers.wordpress.dump_file import read_dump
from fluent_cart.importers.wordpress.report import Report
from fluent_cart.importers.wordpress.source_tables import KINDS, Absent
from fluent_cart.importers.wordpress.staging import Staging
from fluent_cart.models import ApplicationPassword, User
from fluent_cart.security import application_passwords
from tests.conftest import rows as stored
from tests.importers.wordpress.conftest import LOGINS, SHOP, Import, counts
from tests.importers.wordpress.dialects import DIALECTS, Dialect, Rows, Tables, Value, write
from tests.support import mariadb

pytestmark = pytest.mark.slow

# The id comes first. The second table belongs to another plugin, so its rows are skipped.
TABLES = {
    "wp_fct_label": ("id", "value"),
    "wp_posts": ("id", "content"),
    "wp_fct_customers": ("id", "email", "first_name", "notes"),
}
# For each dialect, each of up to 90 rows: a run of 100 for each found no difference.
EXAMPLES = 5
STAGED = {"wp_fct_label": "labels", "wp_fct_customers": "customers"}
# Text on which a reader that only looks at quotes, semicolons or comments goes wrong.
TRAPS = st.sampled_from(
    [
        *"'\"\\`;,()#%_\n\r\t\0\x1a\x08",
        "''",
        '""',
        "\\'",
        '\\"',
        "-- ",
        "/*",
        "*/",
        "/*!",
        "');",
        "NULL",
        "0x41",
        "\\Z",
    ]
)


def texts(charset: str) -> st.SearchStrategy[str]:
    letters = st.characters(codec=charset)
    return st.lists(st.one_of(TRAPS, letters), max_size=8).map("".join)


@st.composite
def dumps(draw: st.DrawFn, dialect: Dialect) -> Tables:
    """Draw the rows of a dump. Ids are repeated if the dialect's verb defines the result."""
    tables: dict[str, tuple[Sequence[str], Rows]] = {}
    values = st.one_of(st.none(), texts(dialect.charset), st.integers(-(10**9), 10**9))
    for table, columns in TABLES.items():
        row = st.tuples(st.integers(1, 50), *[values] * (len(columns) - 1))
        unique = None if dialect.repeats_ids else lambda row: row[0]
        tables[table] = (columns, draw(st.lists(row, max_size=30, unique_by=unique)))
    return tables


@pytest.fixture(scope="module")
def server() -> Iterator[mariadb.Shop]:
    if not mariadb.AVAILABLE:
        pytest.skip("NO MARIADB SERVER TO COMPARE DUMPS WITH")
    with mariadb.shop(b"") as found:
        yield found


def of_server(server: mariadb.Shop, table: str) -> list[tuple[Any, ...]]:
    url = make_url(server.socket_url)
    socket = str(url.query["unix_socket"])
    with (
        closing(
            pymysql.connect(user="root", unix_socket=socket, database="shop", charset="utf8mb4")
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return list(cursor.fetchall())


def of_reader(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(Staging()) as staging:
        staging.fill(read_dump(str(path), None, lambda _done, _total: None), None, Report())
        return {
            table: list(staging.execute(f"SELECT {', '.join(TABLES[table])} FROM {name} ORDER BY id"))
            for table, name in STAGED.items()
        }


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_dump_is_read_as_the_server_reads_it(dialect: Dialect, server: mariadb.Shop, tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(dumps(dialect))
    def compare(tables: Tables) -> None:
        path.write_bytes(dump := write(dialect, tables))
        server.load(dump)
        read = of_reader(path)
        for table in STAGED:
            assert read[table] == of_server(server, table)

    compare()


def signs_in(login: str, password_hash: str) -> bool:
    secret, *_ = LOGINS.get(login, ("",))
    return application_passwords.verify(secret, password_hash)


def renamed(meta_value: str) -> str:
    """Return a list of application passwords with an apostrophe and quotes in each name."""
    name = re.compile(r's:4:"name";s:(\d+):"([^"]*)"')
    return name.sub(
        lambda found: f's:4:"name";s:{int(found[1]) + 14}:"Ann\'s ""\\phone{found[2]}"', meta_value
    )


@pytest.mark.parametrize(
    "dialect", [each for each in DIALECTS if each.charset == "utf-8"], ids=lambda dialect: dialect.name
)
async def test_application_passwords_with_quotes_in_their_names_are_imported(
    dialect: Dialect, run_import: Import, empty: Database
) -> None:
    rows: dict[str, list[tuple[Value, ...]]] = {}
    for table, item in read_dump(str(SHOP), None, lambda _done, _total: None):
        if isinstance(item, tuple):
            values = [None if isinstance(each, Absent) else each for each in item]
            if table == "wp_usermeta" and values[2] == "_application_passwords":
                values[3] = renamed(values[3] or "")
            # The id is a number in every dialect.
            rows.setdefault(table, []).append((int(values[0] or 0), *values[1:]))
    tables = {table: (KINDS[table.removeprefix("wp_")].columns, found) for table, found in rows.items()}
    report = await run_import(write(dialect, tables).decode("utf-8"))
    assert counts(report, "application_passwords") == (9, 9, 0, 0, 0, 0)
    found = await empty.scan(stored, ApplicationPassword)
    assert len(found) == 9
    assert all(row["name"].startswith('Ann\'s ""\\phone') for row in found)
    # Each hash equals that of the source, so the nine sign in. The secrets of six are known.
    assert all(any(row["password_hash"] in str(each) for each in rows["wp_usermeta"]) for row in found)
    logins = {row["id"]: row["login"] for row in await empty.scan(stored, User)}
    known = {
        logins[row["user_id"]] for row in found if signs_in(logins[row["user_id"]], row["password_hash"])
    }
    assert known == LOGINS.keys()
