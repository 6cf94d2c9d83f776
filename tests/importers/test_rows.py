"""Import rows of files: the changes and errors of a line, and the import of exported files."""

import json
import random
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from fluent_cart.database import Database
from fluent_cart.enums import FileFormat
from fluent_cart.formats.row_reader import Line, read_rows
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.rows import run
from fluent_cart.importers.rows.run import CUSTOMERS, ORDERS, Kind, Report, import_rows
from fluent_cart.models import Address, Customer, Order
from fluent_cart.schemas.customer_queries import CustomerExportQuery
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.schemas.merge import CustomerMerge
from fluent_cart.services import customers, user_attachment
from fluent_cart.services.customer_export import export_customers
from fluent_cart.services.erasure import erase_customer
from fluent_cart.services.merge import merge_customers
from fluent_cart.services.order_export import export_orders
from fluent_cart.services.orders import recalculate
from tests.conftest import MakeAddress, MakeCustomer, rows
from tests.support.long_tests import many

ROUND_TRIP = many(1_000, 10_000)
OLD = "2020-02-29T12:00:00Z"
PLACE = {"address_1": "1 Main St", "city": "Rome", "country": "IT"}
REQUIRED = ["This field is required"]

Import = Callable[..., Awaitable[Report]]


@pytest.fixture
def run_import(database: Database) -> Import:
    """Import rows, given as objects: first as a dry run, which must write nothing and report the same."""

    async def run(*values: dict[str, Any], kind: Kind = CUSTOMERS) -> Report:
        tables = (Customer, Address, Order)
        before = [await database.scan(rows, table) for table in tables]
        lines = [Line(number, row) for number, row in enumerate(values, start=1)]
        planned = await import_rows(database, kind, lines, lambda: None, dry_run=True)
        assert [await database.scan(rows, table) for table in tables] == before
        done = await import_rows(database, kind, lines, lambda: None, dry_run=False)
        assert planned == done
        return done

    return run


async def emails(database: Database) -> dict[int, str]:
    return {row["id"]: row["email"] for row in await database.scan(rows, Customer)}


async def details(database: Database, customer_id: int) -> dict[str, Any]:
    return await database.scan(customers.get_customer, customer_id)


def counts(report: Report) -> tuple[int, ...]:
    return tuple(report.columns().values())[1:]


class TestCustomers:
    async def test_imported_customer_is_found_by_id_or_else_by_email(
        self, run_import: Import, database: Database, make_customer: MakeCustomer
    ) -> None:
        await make_customer(email="ann@example.com", first_name="Ann", phone="+1 5")
        report = await run_import(
            {"id": 1, "first_name": "Anna"},
            {"id": 7, "email": "bob@example.com", "created_at": OLD},
            {"email": "carl@example.com", "status": "inactive"},
        )
        assert counts(report) == (2, 1, 0, 0)
        report = await run_import(
            {"email": "CARL@example.com", "last_name": "Lee"}, {"id": "7", "status": "active"}
        )
        assert counts(report) == (0, 1, 1, 0)
        assert await emails(database) == {1: "ann@example.com", 7: "bob@example.com", 8: "CARL@example.com"}
        ann, carl = await details(database, 1), await details(database, 8)
        assert (ann["first_name"], ann["phone"]) == ("Anna", "+1 5")
        assert (carl["last_name"], carl["status"]) == ("Lee", "inactive")
        assert (await details(database, 7))["created_at"] == OLD
        # A customer that is created afterwards gets a new id, and searches find imported rows.
        assert (await make_customer(email="dora@example.com"))["id"] == 9

    async def test_unchanged_row_keeps_updated_at(self, run_import: Import, database: Database) -> None:
        await run_import(
            {"id": 1, "email": "a@example.com", "updated_at": OLD, "additional_info": {"a": 1, "b": 2}}
        )
        unchanged = await run_import({"id": 1, "email": "a@example.com", "additional_info": {"a": 1, "b": 2}})
        assert (counts(unchanged), (await details(database, 1))["updated_at"]) == ((0, 0, 1, 0), OLD)
        assert counts(await run_import({"id": 1, "additional_info": {"b": True}})) == (0, 1, 0, 0)
        changed = await details(database, 1)
        assert changed["additional_info"] == {"b": True}
        assert changed["updated_at"] > OLD

    async def test_line_sees_the_changes_of_earlier_lines(
        self, run_import: Import, database: Database, make_customer: MakeCustomer
    ) -> None:
        for name in "ab":
            await make_customer(email=f"{name}@example.com")
        await database.write(user_attachment.attach_user, 1, 1)
        report = await run_import(
            {"id": 1, "email": "moved@example.com", "user_id": None},
            {"email": "a@example.com", "user_id": 1},
            {"id": 2, "email": "moved@example.com"},
            {"id": 3, "email": "moved@example.com"},
            {"email": "A@example.com"},
            {"id": 1},
        )
        taken = ["The email address belongs to another customer"]
        assert report.errors == {
            3: {"email": taken},
            4: {"email": taken},
            5: {"email": ["The customer is on line 2 already"]},
            6: {"id": ["The customer is on line 1 already"]},
        }
        found = {row["email"]: row["user_id"] for row in await database.scan(rows, Customer)}
        assert found == {"moved@example.com": None, "b@example.com": None, "a@example.com": 1}

    async def test_line_sees_the_changes_of_earlier_batches(
        self, run_import: Import, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fluent_cart.importers.rows.run.BATCH", 1)
        await run_import({"id": 1, "email": "a@example.com", "addresses": [{"id": 5, **PLACE}]})
        report = await run_import(
            {"id": 1, "email": "moved@example.com", "addresses": []},
            {"email": "a@example.com", "addresses": [{"id": 5, **PLACE}]},
            {"email": "A@example.com"},
            {"email": "b@example.com"},
            {"email": "B@example.com"},
        )
        assert report.errors == {
            3: {"email": ["The customer is on line 2 already"]},
            5: {"email": ["The customer is on line 4 already"]},
        }
        assert list((await emails(database)).values()) == [
            "moved@example.com",
            "a@example.com",
            "b@example.com",
        ]

    async def test_every_error_of_every_line_is_reported(
        self, run_import: Import, database: Database, make_customer: MakeCustomer
    ) -> None:
        await make_customer(email="ann@example.com")
        await database.write(user_attachment.attach_user, 1, 1)
        lines: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
            ({}, {"email": REQUIRED}),
            ({"id": 9, "first_name": "A"}, {"email": REQUIRED}),
            ({"email": "none", "status": "gone"}, {
                "email": ["Must be a valid email address"],
                "status": ["Input should be 'active' or 'inactive'"],
            }),
            ({"email": "x@example.com", "emial": 1}, {"emial": ["Unknown name"]}),
            ({"email": "x@example.com", "user_id": 999}, {
                "user_id": ["WordPress user with ID 999 not found"]
            }),
            ({"email": "x@example.com", "user_id": 1}, {
                "user_id": ["The user is attached to another customer"]
            }),
            ({"id": 1, "email": "x@example.com", "created_at": OLD}, {
                "id": ["The customer with this id is another one here"]
            }),
            ({"id": 2**53 + 1, "email": "x@example.com"}, {
                "id": ["Input should be less than or equal to 9007199254740992"]
            }),
            ({"email": "x@example.com", "created_at": "today"}, {
                "created_at": ["Must be a date such as 2024-01-31 or an RFC 3339 time"]
            }),
            ({"email": "x@example.com", "first_name": "a\0", "last_name": "\udce9"}, {
                "first_name": ["Must not contain the character NUL"],
                "last_name": ["Must be valid Unicode text"],
            }),
            ({"email": "x@example.com", "additional_info": {"a": "x" * 70_000}}, {
                "additional_info": ["Must be at most 64 KiB of JSON"]
            }),
            ({"email": "x@example.com", "addresses": [{"city": "Rome", "country": "XX"}]}, {
                "addresses.0.address_1": REQUIRED,
                "addresses.0.country": ["Must be a country code of two letters (ISO 3166-1)"],
            }),
        ]  # fmt: skip
        report = await run_import(*(row for row, _ in lines), {"email": "right@example.com"})
        assert report.errors == {number: errors for number, (_, errors) in enumerate(lines, start=1)}
        assert counts(report) == (1, 0, 0, len(lines))
        assert list((await emails(database)).values()) == ["ann@example.com", "right@example.com"]


class TestAddresses:
    async def places(self, database: Database, customer_id: int) -> list[tuple[int, str, bool]]:
        found = (await details(database, customer_id))["addresses"]
        return [(each["id"], each["city"], each["is_primary"]) for each in found]

    async def test_imported_addresses_replace_all_addresses(
        self, run_import: Import, database: Database, make_customer: MakeCustomer, make_address: MakeAddress
    ) -> None:
        await make_customer(email="ann@example.com")
        for city in ("Rome", "Oslo", "Bern"):
            await make_address(1, city=city)
        kept = {**PLACE, "id": 2, "city": "Oslo", "country": "us"}
        changed = await run_import(
            {"id": 1, "addresses": [kept, {**PLACE, "city": "Lima", "is_primary": True}]}
        )
        assert counts(changed) == (0, 1, 0, 0)
        assert await self.places(database, 1) == [(2, "Oslo", False), (4, "Lima", True)]
        # No address of the line is marked as primary, so the present one stays.
        assert counts(await run_import({"id": 1, "addresses": [{**PLACE, "id": 9}, {**kept, "id": 4}]})) == (
            0,
            1,
            0,
            0,
        )
        assert await self.places(database, 1) == [(4, "Oslo", True), (9, "Rome", False)]
        assert counts(await run_import({"id": 1, "addresses": [{**PLACE, "id": 9}]})) == (0, 1, 0, 0)
        assert await self.places(database, 1) == [(9, "Rome", True)]
        assert counts(await run_import({"id": 1, "addresses": [{**PLACE, "id": 9}]})) == (0, 0, 1, 0)
        # The list as PHP's json_encode may write it.
        assert counts(await run_import({"id": 1, "addresses": {"1": {**PLACE, "id": 9}}})) == (0, 0, 1, 0)
        assert counts(await run_import({"id": 1, "first_name": "A"})) == (0, 1, 0, 0)
        assert await self.places(database, 1) == [(9, "Rome", True)]
        assert counts(await run_import({"id": 1, "addresses": []})) == (0, 1, 0, 0)
        assert await self.places(database, 1) == []
        assert (await make_address(1))["id"] == 10

    async def test_addresses_of_other_customers_cannot_be_imported(
        self, run_import: Import, make_customer: MakeCustomer, make_address: MakeAddress
    ) -> None:
        for name in "ab":
            await make_customer(email=f"{name}@example.com")
        await make_address(1)
        primary = {**PLACE, "is_primary": True}
        report = await run_import(
            {"id": 2, "addresses": [{**PLACE, "id": 5}, {**PLACE, "id": 1}, {**PLACE, "id": 5}]},
            {"email": "c@example.com", "addresses": [primary, primary]},
            {"email": "d@example.com", "addresses": [{**PLACE, "id": 6}]},
            {"email": "e@example.com", "addresses": [{**PLACE, "id": 6}]},
        )
        assert report.errors == {
            1: {
                "addresses.1.id": ["The address belongs to another customer"],
                "addresses.2.id": ["The address is there twice"],
            },
            2: {"addresses": ["Only one address can be the primary one"]},
            4: {"addresses.0.id": ["The address belongs to another customer"]},
        }


async def test_phone_that_a_spreadsheet_rounded_is_refused(run_import: Import) -> None:
    text = "A spreadsheet rounded the number. Make the column a text in the spreadsheet, and export it again"
    rounded = {"email": "a@example.com", "phone": "4.91512E+11"}
    report = await run_import(rounded, {"email": "b@example.com", "phone": "1e5"})
    assert report.errors == {1: {"phone": [text]}}
    assert counts(report) == (1, 0, 0, 1)


class TestOrders:
    ORDER: dict[str, Any] = {  # noqa: RUF012
        "status": "completed", "payment_status": "paid", "total_amount": "2500", "total_paid": 2500,
        "currency": "usd", "created_at": OLD,
    }  # fmt: skip

    async def test_imported_orders_update_the_totals_of_their_customers(
        self, run_import: Import, database: Database, make_customer: MakeCustomer
    ) -> None:
        for name in "ab":
            await make_customer(email=f"{name}@example.com")
        report = await run_import(
            {"id": 3, "customer_id": 1, **self.ORDER},
            {"customer_email": "A@example.com", **self.ORDER, "total_refund": 500},
            {"customer_id": None, **self.ORDER},
            kind=ORDERS,
        )
        assert counts(report) == (3, 0, 0, 0)
        stored = await database.scan(rows, Order)
        assert [(row["id"], row["customer_id"], row["currency"]) for row in stored] == [
            (3, 1, "USD"), (4, 1, "USD"), (5, None, "USD"),
        ]  # fmt: skip
        first = await details(database, 1)
        assert (first["order_count"], first["total_spent"]) == (2, 4500)
        moved = await run_import({"id": 3, "customer_id": 2}, {"id": 4, "status": "completed"}, kind=ORDERS)
        assert counts(moved) == (0, 1, 1, 0)
        totals = [(await details(database, number))["total_spent"] for number in (1, 2)]
        assert totals == [2000, 2500]

    async def test_order_finds_its_customer_by_the_other_form_of_a_domain(
        self, run_import: Import, database: Database, make_customer: MakeCustomer
    ) -> None:
        await make_customer(email="a@xn--bcher-kva.example")
        order = {"customer_email": "A@b\u00fccher.example", **self.ORDER}
        assert counts(await run_import(order, kind=ORDERS)) == (1, 0, 0, 0)
        same = {"email": "a@B\u00fccher.example", "first_name": "Ann"}
        assert counts(await run_import(same)) == (0, 1, 0, 0)
        assert await emails(database) == {1: "a@b\u00fccher.example"}
        twice = await run_import({"id": 5, "email": "a@xn--bcher-kva.example"})
        assert twice.errors == {1: {"email": ["The email address belongs to another customer"]}}

    async def test_orders_without_ids_are_imported_once(
        self,
        run_import: Import,
        database: Database,
        make_customer: MakeCustomer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """For any number of runs, also after one that was interrupted. Two equal lines are two orders."""
        monkeypatch.setattr(run, "BATCH", 2)
        await make_customer(email="a@example.com")
        order = {"customer_email": "a@example.com", **self.ORDER}
        nobodys = {"customer_id": None, **self.ORDER}
        lines = [order, order, nobodys, order, {**order, "payment_status": "failed"}, nobodys]
        assert counts(await run_import(*lines[:3], kind=ORDERS)) == (3, 0, 0, 0)
        assert counts(await run_import(*lines, kind=ORDERS)) == (3, 0, 3, 0)
        for _ in range(2):
            assert counts(await run_import(*lines, kind=ORDERS)) == (0, 0, 6, 0)
            assert (await details(database, 1))["total_spent"] == 7500

    async def test_order_without_an_id_that_differs_is_rejected(
        self, run_import: Import, database: Database, make_customer: MakeCustomer
    ) -> None:
        await make_customer(email="a@example.com")
        order = {"customer_id": 1, **self.ORDER}
        await run_import(order, kind=ORDERS)
        report = await run_import({**order, "total_refund": 2500}, {**order, "total_amount": 1}, kind=ORDERS)
        text = "An order of this customer, time and amount exists, but differs. Add its id to change it"
        assert (counts(report), report.errors) == ((1, 0, 0, 1), {1: {"id": [text]}})

    async def test_order_needs_a_customer_and_a_currency(self, run_import: Import) -> None:
        report = await run_import({**self.ORDER, "customer_email": "", "currency": ""}, kind=ORDERS)
        assert report.errors == {1: {"currency": REQUIRED, "customer_email": REQUIRED}}

    async def test_every_error_of_an_order_is_reported(
        self, run_import: Import, make_customer: MakeCustomer
    ) -> None:
        for name in "ab":
            await make_customer(email=f"{name}@example.com")
        await run_import({"id": 1, **self.ORDER}, kind=ORDERS)
        report = await run_import(
            {},
            {"id": 1, "created_at": "2024-01-01"},
            {**self.ORDER, "customer_id": 9},
            {**self.ORDER, "customer_email": "x@example.com"},
            {**self.ORDER, "customer_id": 1, "customer_email": "b@example.com"},
            {**self.ORDER, "total_paid": -1, "payment_status": "gone"},
            {"id": 1},
            {"id": 1},
            kind=ORDERS,
        )
        [text] = report.errors[6]["payment_status"]
        assert text.startswith("Input should be 'pending', 'authorized', 'paid'")
        needed = ("status", "payment_status", "total_amount", "total_paid", "currency")
        assert report.errors == {
            1: {
                **dict.fromkeys(needed, REQUIRED),
                "created_at": ["Is required without an id: nothing else tells orders apart"],
            },
            2: {"id": ["The order with this id is another one here: it was created at another time"]},
            3: {"customer_id": ["Customer with ID 9 not found"]},
            4: {"customer_email": ["No customer has this email address"]},
            5: {"customer_email": ["The email address belongs to another customer"]},
            6: {"payment_status": [text], "total_paid": ["Input should be greater than or equal to 0"]},
            8: {"id": ["The order is on line 7 already"]},
        }


HOSTILE = (
    "", "'", "''", "'=", "=1+1", "+1", "-1", "@x", "＝1", '"', '""', 'a"b', ",", ";", "a\nb",
    "a\r\nb", "a\rb",
    "\x01\x07\x1b[31m", "\x0b\x0c\x1c\x85", "\u2028\u2029", "😀🏳️‍🌈", "𝔘𝔫𝔦", "שלום", "\u202eمرحبا\u202c",
    "e\u0301",
    "\ufeffBOM", "NULL", "\\N", "\\", "a\tb", "null", "[]", "{}", "0", "1e5", "\u200b", "ﬁ", "İ", "x" * 255,
)  # fmt: skip


def make_shop(chance: random.Random) -> list[dict[str, Any]]:
    """Return rows of customers with every kind of text everywhere, some with all the info there may be."""

    def text(length: int = 255) -> str:
        return f"{chance.choice(HOSTILE)}{chance.choice(('', chance.choice(HOSTILE)))}"[:length]

    made = []
    for number in range(1, ROUND_TRIP + 1):
        places: list[dict[str, Any]] = [
            {
                "type": chance.choice(("billing", "shipping")), "first_name": text(), "last_name": text(),
                "address_1": f"x{text(200)}", "address_2": text(), "city": text(100), "state": text(100),
                "postcode": text(32), "country": chance.choice(("US", "DE", "")), "phone": text(50),
                "company_name": text(),
            }
            for _ in range(chance.choice((0, 1, 1, 2, 5)))
        ]  # fmt: skip
        if places:
            chance.choice(places)["is_primary"] = True
        info: dict[str, Any] = {text(): text(), "list": [1, -0.5, None, True, {"": text()}], "big": 2**63 - 1}
        if number % 100 == 0:
            info = {"=" + "\n'" * 100: "é" * 32_000}
        made.append(
            {
                # Not all ids are there, and not in order.
                "id": number * 3, "email": f"{chance.choice('=+-a')}{number}@example.com",
                "first_name": text(), "last_name": text(), "phone": text(50) or None,
                "status": chance.choice(("active", "inactive")), "additional_info": info, "addresses": places,
                "created_at": f"20{chance.randint(10, 24)}-0{chance.randint(1, 9)}-11T10:00:00Z",
                "updated_at": f"2025-0{chance.randint(1, 9)}-11T10:00:0{chance.randint(0, 9)}Z",
            }
        )  # fmt: skip
    chance.shuffle(made)
    return made


async def written(database: Database, file_format: FileFormat) -> bytes:
    return await database.scan(
        lambda connection: b"".join(export_customers(connection, CustomerExportQuery(format=file_format)))
    )


async def written_orders(database: Database, file_format: FileFormat) -> bytes:
    return await database.scan(lambda connection: b"".join(export_orders(connection, file_format)))


async def whole(database: Database) -> list[dict[str, Any]]:
    """Return all columns of all customers, including totals and the texts for searches."""
    return sorted(await database.scan(rows, Customer), key=lambda row: int(row["id"]))


def empty(connection: Connection) -> None:
    for table in (Order, Address, Customer):
        connection.execute(table.__table__.delete())  # type: ignore[attr-defined]


async def test_merged_customer_does_not_come_back_and_its_orders_are_the_survivors(
    run_import: Import, database: Database, make_customer: MakeCustomer
) -> None:
    for email in ("a@example.com", "b@example.com"):
        await make_customer(email=email)
    await database.write(merge_customers, 1, CustomerMerge(from_id=2))
    report = await run_import({"id": "2", "email": "b@example.com"})
    assert report.errors == {1: {"id": ["The customer was merged into customer 1. Write that id, or no id"]}}
    assert await emails(database) == {1: "a@example.com"}
    order = {
        "customer_id": "2", "status": "completed", "payment_status": "paid", "total_amount": "500",
        "total_paid": "500", "currency": "USD", "created_at": "2024-01-01T10:00:00Z",
    }  # fmt: skip
    for written in (1, 0):
        report = await run_import(order, kind=ORDERS)
        assert (report.errors, report.statuses[RowStatus.WRITTEN]) == ({}, written)
    assert (await details(database, 1))["order_count"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FileFormat)
async def test_exported_files_can_be_imported(database: Database, file_format: FileFormat) -> None:
    """Into an empty shop, byte for byte: ids, texts, addresses, primary ones, info and times. Then orders."""
    lines = [Line(number, row) for number, row in enumerate(make_shop(random.Random(1)), start=1)]
    made = await import_rows(database, CUSTOMERS, lines, lambda: None, dry_run=False)
    assert made.errors == {}

    def sell(connection: Connection) -> None:
        orders = [
            {
                "customer_id": number * 3, "status": "completed", "payment_status": "paid", "currency": "EUR",
                "total_amount": -number, "total_paid": number, "total_refund": 0, "created_at": OLD,
                "updated_at": OLD,
            }
            for number in range(1, 20)
        ]  # fmt: skip
        connection.execute(insert(Order), orders)

    await database.write(sell)
    await database.write(recalculate)
    stored = await whole(database)
    shop, orders = await written(database, file_format), await written_orders(database, file_format)
    await database.write(empty)
    for kind, content in ((CUSTOMERS, shop), (ORDERS, orders)):
        for status in ("written", "unchanged"):
            found = read_rows(BytesIO(content), file_format, kind.columns)
            report = await import_rows(database, kind, found, lambda: None, dry_run=False)
            assert (report.errors, report.columns()[status]) == ({}, report.read)
    assert await written(database, file_format) == shop
    assert await written_orders(database, file_format) == orders
    assert await whole(database) == stored
    assert (
        max(len(json.dumps(row["additional_info"], ensure_ascii=False).encode()) for row in stored) > 60_000
    )


async def test_import_waits_for_other_writers(database: Database, make_customer: MakeCustomer) -> None:
    """Rows that were written meanwhile stay, and no other row gets an id of the file."""
    lines = (Line(number, {"id": number * 2, "email": f"c{number}@example.com"}) for number in range(1, 1201))
    created: list[int] = []

    async def count() -> int:
        return await database.scan(lambda c: c.scalar(select(func.count()).select_from(Customer)) or 0)

    report = await import_rows(database, CUSTOMERS, lines, lambda: created.append(1), dry_run=False)
    assert (counts(report), len(created), await count()) == ((1200, 0, 0, 0), 3, 1200)
    assert (await make_customer(email="next@example.com"))["id"] == 2401
    again = await database.write(customers.create_customer, CustomerCreate(email="last@example.com"))
    assert again["id"] == 2402


async def test_erased_customer_is_not_imported_again(
    run_import: Import, database: Database, make_customer: MakeCustomer, make_address: MakeAddress
) -> None:
    await make_customer(email="ann@example.com", first_name="Ann")
    await make_address(1)
    await database.write(erase_customer, 1)
    before = [await database.scan(rows, table) for table in (Customer, Address)]
    report = await run_import(
        {"id": 1, "email": "ann@example.com", "first_name": "Ann", "addresses": [PLACE]}
    )
    assert report.errors == {1: {"id": ["The customer is erased here: nothing of the customer is imported"]}}
    assert [await database.scan(rows, table) for table in (Customer, Address)] == before
