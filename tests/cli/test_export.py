"""fluent-cart export, as a shop owner runs it."""

import csv
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluent_cart.clock import now
from fluent_cart.database import connect
from fluent_cart.enums import CustomerStatus
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customer_export, customers, order_export, orders
from tests.cli.conftest import Run, complained, misused, printed, show_progress

ORDER = {
    "customer_id": None, "status": "completed", "payment_status": "paid", "currency": "USD",
    "total_amount": 500, "total_paid": 500, "total_refund": 0, "created_at": now(),
}  # fmt: skip


@pytest.fixture(autouse=True)
def filled(shop: str) -> None:
    with connect(shop) as connection:
        for number, name in enumerate(("Ann", "Bob", "Carl", "Bobby"), start=1):
            customer = CustomerCreate(
                email=f"{name.lower()}@example.com",
                first_name=name,
                status=CustomerStatus.INACTIVE if name == "Carl" else CustomerStatus.ACTIVE,
            )
            customers.create_customer(connection, customer)
            orders.record_order(connection, {**ORDER, "customer_id": number, "total_paid": 100 * number})


def test_customers_are_exported_into_a_file(run: Run, folder: Path) -> None:
    assert run("export", "shop.csv") == printed("shop.csv has 4 customers.\n")
    with (folder / "shop.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(customer_export.COLUMNS)
    assert [row["id"] for row in rows][-1] == "1"
    # Personal data, for the owner only.
    assert (folder / "shop.csv").stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir()] == ["shop.csv"]
    assert run("export", "--format", "ndjson", "shop.txt").code == 0
    lines = (folder / "shop.txt").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [int(row["id"]) for row in rows]


@pytest.mark.parametrize("name", ["shop.ndjson", "shop.JSONL"])
def test_format_follows_the_name_of_the_file(run: Run, folder: Path, name: str) -> None:
    run("export", name)
    assert (folder / name).read_text().startswith('{"id":')


def test_export_accepts_the_query_of_the_list(run: Run, folder: Path) -> None:
    filters = (
        "--search",
        "bob",
        "--status",
        "active",
        "--date-from",
        "2024-01-01",
        "--date-to",
        "2099-12-31",
    )
    money, order = (
        ("--total-spent-min", "1", "--total-spent-max", "999"),
        ("--order-by", "email", "--order-type", "desc"),
    )
    assert run("export", "a.ndjson", *filters, *money, *order).code == 0
    emails = [json.loads(line)["email"] for line in (folder / "a.ndjson").read_text().splitlines()]
    assert emails == ["bobby@example.com", "bob@example.com"]


def test_export_of_orders_writes_all_orders(run: Run, folder: Path, shop: str) -> None:
    with connect(shop) as connection:
        orders.record_order(connection, ORDER)
    assert run("export", "--orders", "orders.csv") == printed("orders.csv has 5 orders.\n")
    with (folder / "orders.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(order_export.COLUMNS)
    assert [int(row["id"]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["customer_id"] == ""


def test_wrong_argument_of_export_is_named(run: Run, folder: Path) -> None:
    assert run("export", "a.csv", "--orders", "--search", "x") == misused(
        "--orders writes all orders. Leave out --search and the filters"
    )
    assert run("export", "a.csv", "--date-from", "today") == misused(
        "--date-from: Must be a date such as 2024-01-31 or an RFC 3339 time"
    )
    assert run("export", "nowhere/a.csv") == complained("nowhere/a.csv: No such file or directory")
    assert list(folder.iterdir()) == []


def test_failed_export_keeps_the_old_file(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shop.csv").write_text("old")

    def fails(*_arguments: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(customer_export, "get_customers", fails)
    assert run("export", "shop.csv") == complained("no space")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("shop.csv", "old")]


def test_export_shows_progress_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    show_progress(monkeypatch)
    assert "customers" in run("export", "shop.csv").err


def test_sigterm_leaves_no_unfinished_file(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[bytes]:
        yield b"id"
        os.kill(os.getpid(), signal.SIGTERM)
        yield b"email"

    monkeypatch.setattr(customer_export, "export_customers", interrupted)
    before, files = signal.getsignal(signal.SIGTERM), set(folder.iterdir())
    assert run("export", "shop.csv").code == 143
    assert set(folder.iterdir()) == files
    assert signal.getsignal(signal.SIGTERM) == before
