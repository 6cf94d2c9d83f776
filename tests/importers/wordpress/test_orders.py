"""Orders are imported, and update the totals of their customers."""

from typing import Any

import pytest

from fluent_cart.database import Database
from fluent_cart.database.prepared import Record
from fluent_cart.importers.wordpress.shop import Options
from fluent_cart.models import Address, Customer, Order
from fluent_cart.settings import Settings
from tests.conftest import rows
from tests.importers.wordpress.conftest import UPDATE, Import, counts, handled, skipped


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because this is decided before the database is used."""
    return sqlite_settings


async def stored(database: Database) -> dict[int, Record]:
    return {row["id"]: row for row in await database.scan(rows, Order)}


async def totals(database: Database) -> list[tuple[int, int]]:
    return [(row["order_count"], row["total_spent"]) for row in await database.scan(rows, Customer)]


class TestOrder:
    async def test_order_is_imported_with_all_fields(self, run_import: Import, empty: Database) -> None:
        order = {
            "id": 255,
            "customer_id": 3,
            "status": "on-hold",
            "payment_status": "partially_refunded",
            "currency": "eur",
            "total_amount": 1234,
            "total_paid": 1200,
            "total_refund": 200,
        }
        report = await run_import(fct_customers=[{"id": 3}], fct_orders=[order])
        assert counts(report, "orders") == (1, 1, 0, 0, 0, 0)
        assert handled(report, "orders") == {}
        moment = "2024-01-01T10:00:00Z"
        assert await stored(empty) == {
            255: {**order, "currency": "EUR", "created_at": moment, "updated_at": moment}
        }
        assert await totals(empty) == [(1, 1000)]

    @pytest.mark.parametrize("created_at", [None, "0000-00-00 00:00:00"])
    async def test_order_without_a_creation_date_takes_over_a_refund(
        self, run_import: Import, empty: Database, created_at: str | None
    ) -> None:
        """The replacement of a missing date does not identify the order, because it changes at the source."""
        first = {"created_at": created_at, "updated_at": "2024-01-01 10:00:00"}
        address = {**first, "city": "Rome"}
        await run_import(fct_customers=[{}], fct_orders=[first], fct_customer_addresses=[address])
        changed = {"created_at": created_at, "updated_at": "2024-05-05 10:00:00"}
        refunded = {**changed, "payment_status": "refunded", "total_refund": 1000}
        for expected in (1, 0):
            report = await run_import(
                fct_customers=[{}],
                fct_orders=[refunded],
                fct_customer_addresses=[{**changed, "city": "Milan"}],
                options=UPDATE,
            )
            for table in ("orders", "customer_addresses"):
                assert counts(report, table) == (1, 0, expected, 1 - expected, 0, 0)
        assert (await totals(empty)) == [(0, 0)]
        [order] = (await stored(empty)).values()
        assert (order["created_at"], order["updated_at"]) == ("2024-01-01T10:00:00Z", "2024-05-05T10:00:00Z")
        [address] = await empty.scan(rows, Address)
        assert (address["city"], address["created_at"]) == ("Milan", "2024-01-01T10:00:00Z")

    async def test_order_without_a_creation_date_is_not_taken_for_another_one(
        self, run_import: Import, empty: Database
    ) -> None:
        await run_import(fct_customers=[{}], fct_orders=[{"total_amount": 700}])
        other = {"created_at": None, "updated_at": "2024-05-05 10:00:00"}
        report = await run_import(fct_customers=[{}], fct_orders=[other], options=UPDATE)
        assert skipped(report, "orders") == {"id_taken": [1]}

    async def test_order_without_a_customer_is_imported(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{}], fct_orders=[{"customer_id": owner} for owner in (1, None, 0, 999, "x")]
        )
        assert [row["customer_id"] for row in (await stored(empty)).values()] == [1, None, None, None, None]
        assert sorted(handled(report, "orders")["order_without_customer"]) == [2, 3, 4, 5]

    async def test_odd_amounts_are_corrected_or_skipped(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{}],
            fct_orders=[
                {"total_paid": 500, "total_refund": 700},
                {"total_paid": 700, "total_refund": 300},
                {"total_paid": -5, "total_refund": -7},
                {"total_amount": "1000.00"},
                {"total_amount": "10.50"},
                {"total_paid": None},
                {"total_refund": "x"},
                {"total_amount": 2**62},
            ],
        )
        assert handled(report, "orders") == {
            "over_refunded": [1],
            "paid_less_refund": [2],
            "negative_amount": [3],
        }
        assert skipped(report, "orders") == {"unreadable_amount": [5, 6, 7, 8]}
        amounts = [(row["total_paid"], row["total_refund"]) for row in (await stored(empty)).values()]
        assert amounts == [(500, 700), (700, 300), (0, 0), (1000, 0)]
        assert await totals(empty) == [(4, 400 + 1000)]

    async def test_unknown_states_become_pending(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{}],
            fct_orders=[
                {"status": "cancelled"},
                {"status": "Refunded", "payment_status": "refunded"},
                {"status": ""},
                {"payment_status": "settled"},
                {"payment_status": None},
            ],
        )
        found = [(row["status"], row["payment_status"]) for row in (await stored(empty)).values()]
        assert found == [
            ("canceled", "paid"),
            ("completed", "refunded"),
            ("pending", "paid"),
            ("completed", "pending"),
            ("completed", "pending"),
        ]
        assert handled(report, "orders") == {
            "unknown_order_status": [1, 2, 3],
            "unknown_payment_status": [4, 5],
        }

    async def test_order_in_another_currency_is_reported(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{}], fct_orders=[{"currency": "JPY"}, {"currency": "EUR"}, {"currency": "EUR"}]
        )
        assert handled(report, "orders") == {"foreign_currency": [1]}
        assert await totals(empty) == [(3, 3000)]

    async def test_test_order_is_imported_on_request_only(self, run_import: Import, empty: Database) -> None:
        shop: dict[str, Any] = {"fct_customers": [{}], "fct_orders": [{}, {"mode": "test"}]}
        report = await run_import(**shop)
        assert skipped(report, "orders") == {"test_order": [2]}
        assert await totals(empty) == [(1, 1000)]
        report = await run_import(**shop, options=Options(test_orders=True))
        assert counts(report, "orders") == (2, 1, 0, 1, 0, 0)
        assert await totals(empty) == [(2, 2000)]

    async def test_order_can_move_to_another_customer(self, run_import: Import, empty: Database) -> None:
        await run_import(fct_customers=[{}, {}], fct_orders=[{"customer_id": 1}, {"customer_id": 2}])
        moved = [{"customer_id": 2}, {"customer_id": 2}]
        report = await run_import(fct_customers=[{}, {}], fct_orders=moved)
        assert counts(report, "orders") == (2, 0, 0, 1, 1, 0)
        assert await totals(empty) == [(1, 1000), (1, 1000)]
        report = await run_import(fct_customers=[{}, {}], fct_orders=moved, options=UPDATE)
        assert counts(report, "orders") == (2, 0, 1, 1, 0, 0)
        assert await totals(empty) == [(0, 0), (2, 2000)]

    async def test_order_with_a_taken_id_is_not_imported(self, run_import: Import, empty: Database) -> None:
        await run_import(fct_customers=[{}], fct_orders=[{}])
        other = [{"created_at": "2025-01-01 00:00:00", "total_paid": 1}]
        report = await run_import(fct_customers=[{}], fct_orders=other, options=UPDATE)
        assert skipped(report, "orders") == {"id_taken": [1]}
        assert await totals(empty) == [(1, 1000)]


class TestTotals:
    async def test_totals_that_differ_from_the_source_are_reported(
        self, run_import: Import, empty: Database
    ) -> None:
        """FluentCart takes some refunds off twice, and forgets to count again."""
        date, moment = "2024-01-01 10:00:00", "2024-01-01T10:00:00Z"
        right = {"purchase_count": 1, "ltv": 1000, "first_purchase_date": date, "last_purchase_date": date}
        report = await run_import(
            fct_customers=[right, {**right, "ltv": 700}, {"first_purchase_date": "0000-00-00 00:00:00"}],
            fct_orders=[
                {"customer_id": 1},
                {"customer_id": 2},
                {"customer_id": 2, "payment_status": "failed"},
            ],
        )
        assert handled(report, "customers") == {"other_totals": [2]}
        dates = {"first_order_date": moment, "last_order_date": moment}
        assert report.totals == [
            {
                "customer_id": 2,
                "shop": {"order_count": 1, "total_spent": 700, **dates},
                "here": {"order_count": 1, "total_spent": 1000, **dates},
            }
        ]
