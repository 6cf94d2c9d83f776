"""A live database has the same rows as its dump."""

import gzip
import importlib
import select
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from fluent_cart.importers.wordpress import live_database
from fluent_cart.importers.wordpress.shop import SourceError, read_source
from fluent_cart.importers.wordpress.source_tables import KINDS
from tests.importers.wordpress.conftest import SHOP, dump_of
from tests.support import mariadb
from tests.support.server import free_port

NOTES = KINDS["fct_customers"].columns.index("notes")
# Types of SQL that the shop does not use.
MORE = """
ALTER TABLE wp_fct_orders MODIFY mode enum('live','test') NULL, ADD bits bit(3) DEFAULT b'101';
UPDATE wp_fct_customers SET notes = 'it''s "so" \\\\ \\n\\r\\t\\0 🎈' WHERE id = 8;
UPDATE wp_fct_customers SET created_at = '0000-00-00 00:00:00' WHERE id = 8;
UPDATE wp_fct_customers SET notes = x'4a75cc88' WHERE id = 9;
"""


def rows(source: str | Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for table, row in read_source(str(source), None, lambda _done, _total: None):
        found.setdefault(table, [])
        if isinstance(row, tuple):
            found[table].append(row)
    return found


@pytest.fixture(scope="module")
def shop() -> Iterator[mariadb.Shop]:
    if not mariadb.AVAILABLE:
        pytest.skip("no MariaDB")
    with mariadb.shop(gzip.decompress(SHOP.read_bytes()) + MORE.encode()) as found:
        yield found


def test_live_database_has_the_same_rows_as_its_dump(shop: mariadb.Shop, tmp_path: Path) -> None:
    """A user with read permission can import, by network or socket."""
    (dump := tmp_path / "dump.sql").write_bytes(shop.dump)
    found = rows(shop.url)
    assert found == rows(shop.socket_url)
    assert found == rows(shop.url.replace("mysql:", "MariaDB+PyMySQL:"))
    assert found == rows(dump)
    assert {table: len(found[table]) for table in found} == {t: len(r) for t, r in rows(SHOP).items()}
    [notes] = [row[NOTES] for row in found["wp_fct_customers"] if row[0] == "8"]
    assert notes == 'it\'s "so" \\ \n\r\t\0 🎈'


def test_unreachable_database_is_rejected_with_a_reason(shop: mariadb.Shop) -> None:
    url = make_url(shop.url)
    for source, complaint in {
        shop.url.replace("mysql:", "postgresql:"): "cannot begin with postgresql://. Use mysql://",
        url.set(password="wrong").render_as_string(hide_password=False): "Access denied for user 'reader'",
        url.set(port=free_port()).render_as_string(hide_password=False): "Can't connect to MySQL server",
        url.set(database="mysql").render_as_string(hide_password=False): "Access denied",
        url.set(database="information_schema").render_as_string(hide_password=False): "no FluentCart shop",
    }.items():
        with pytest.raises((SourceError, OSError)) as error:
            rows(source)
        assert complaint in str(error.value)
        assert mariadb.PASSWORD not in str(error.value)


def test_live_database_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    monkeypatch.delitem(sys.modules, "fluent_cart.importers.wordpress.mysql_rows", raising=False)
    monkeypatch.delattr(
        importlib.import_module("fluent_cart.importers.wordpress"), "mysql_rows", raising=False
    )
    with pytest.raises(SourceError, match=r"pip install 'fluent-cart-api\[mysql\]', or import a dump"):
        rows("mysql://reader@127.0.0.1/shop")
    # A dump needs none.
    assert rows(SHOP)


@pytest.mark.parametrize("source", ["mysql://host", "mysql://host:port/shop", "mariadb:///", "mysql://"])
def test_malformed_database_address_is_rejected(source: str) -> None:
    with pytest.raises(SourceError, match="must be mysql://USER:PASSWORD@HOST/DATABASE"):
        rows(source)


@pytest.mark.parametrize("source", ["shop.sql", "mysql", "mysql.sql", "mysql:/x"])
def test_source_that_is_not_a_database_address_is_a_path(source: str) -> None:
    assert not live_database.is_live(source)


def test_missing_dump_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rows(tmp_path / "no.sql")


def test_dump_of_the_tests_equals_a_real_dump(tmp_path: Path) -> None:
    (path := tmp_path / "dump.sql").write_text(dump_of(fct_customers=[{"notes": "it's \\ \n"}]))
    assert rows(path)["wp_fct_customers"][0][NOTES] == "it's \\ \n"


def test_certificate_of_the_server_is_checked_if_an_authority_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    def connect(**options: Any) -> None:
        asked.append(options)
        raise RuntimeError("not connected here")

    monkeypatch.setattr("pymysql.connect", connect)
    for query in ("?ssl_ca=/etc/ca.crt", ""):
        with pytest.raises(SourceError):
            rows(f"mysql://reader@db.example/shop{query}")
    assert [(each["ssl_ca"], each["ssl_verify_identity"]) for each in asked] == [
        ("/etc/ca.crt", True),
        (None, False),
    ]


@pytest.fixture
def cut(shop: mariadb.Shop) -> Iterator[str]:
    """The address of the shop behind a proxy that closes the connection after 20 KB."""
    url = make_url(shop.url)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client, socket.create_connection((str(url.host), url.port or 0)) as server:
                left = 20_000
                while left > 0:
                    for ready in select.select([client, server], [], [])[0]:
                        data = ready.recv(min(1000, left))
                        (server if ready is client else client).sendall(data)
                        left -= len(data) if ready is server else 0

        proxy = threading.Thread(target=serve)
        proxy.start()
        port = listening.getsockname()[1]
        yield url.set(port=port).render_as_string(hide_password=False)
        proxy.join()


def test_connection_that_is_lost_while_rows_are_read_is_one_error(cut: str) -> None:
    with pytest.raises(SourceError, match="The database cannot be read: Lost connection"):
        rows(cut)
