"""/customers/{customerId}/orders and get-stats.

See docs/decisions.md#16-totals-of-a-customer and #17-orders-of-a-customer.
"""

import random
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, update

from fluent_cart.database import Database
from fluent_cart.enums import OrderStatus, PaymentStatus
from fluent_cart.models import Customer, Order
from fluent_cart.services import orders
from fluent_cart.services.stats import average
from tests.conftest import MakeCustomer, rows
from tests.support.errors import assert_error

COUNTED = ("paid", "partially_paid", "partially_refunded")


def order(customer_id: int | None = 1, **fields: Any) -> dict[str, Any]:
    paid = fields.pop("paid", 1000)
    return {
        "customer_id": customer_id,
        "status": "completed",
        "payment_status": "paid",
        "currency": "USD",
        "total_amount": paid,
        "total_paid": paid,
        "total_refund": 0,
        "created_at": "2024-01-01T10:00:00Z",
        **fields,
    }


@pytest.fixture
async def customer(make_customer: MakeCustomer) -> None:
    await make_customer(email="one@example.com")


async def stats(client: httpx.AsyncClient, customer_id: int = 1) -> dict[str, Any]:
    answered: dict[str, Any] = (await client.get(f"/get-stats/{customer_id}")).json()["data"]["stats"]
    return answered


class TestOrders:
    @pytest.fixture
    async def thirty(self, customer: None, database: Database) -> None:
        """Orders 1 to 30, later ones older, two at each time."""
        for number in range(30):
            moment = f"2024-01-{20 - number // 2:02}T10:00:00Z"
            await database.write(orders.record_order, order(created_at=moment, paid=number))

    async def test_orders_are_listed_oldest_first(self, thirty: None, viewer: httpx.AsyncClient) -> None:
        answer = await viewer.get("/1/orders")
        found = answer.json()["data"]["orders"]
        assert [each["id"] for each in found] == [
            number for older in range(29, 0, -2) for number in (older, older + 1)
        ]
        assert found[0] == {
            "id": 29, "status": "completed", "payment_status": "paid", "total_amount": 28, "currency": "USD",
            "created_at": "2024-01-06T10:00:00Z",
        }  # fmt: skip
        assert answer.headers["x-wp-total"] == "30"
        assert answer.headers["x-wp-totalpages"] == "1"
        assert "link" not in answer.headers

    @pytest.mark.parametrize(
        ("query", "count", "pages", "relations"),
        [
            ("?page=1", 10, "3", {"next"}), ("?page=2", 10, "3", {"prev", "next"}),
            ("?page=4", 0, "3", {"prev"}), ("?per_page=20", 20, "2", {"next"}),
            ("?per_page=20&page=2", 10, "2", {"prev"}),
        ],
    )  # fmt: skip
    async def test_orders_are_paged_on_request(
        self, thirty: None, viewer: httpx.AsyncClient, query: str, count: int, pages: str, relations: set[str]
    ) -> None:
        answer = await viewer.get(f"/1/orders{query}")
        assert len(answer.json()["data"]["orders"]) == count
        assert (answer.headers["x-wp-total"], answer.headers["x-wp-totalpages"]) == ("30", pages)
        assert set(answer.links) == relations

    @pytest.mark.parametrize(
        ("query", "ids"),
        [
            ("order_type=desc", [2, 1, 4, 3]), ("order_by=id&order_type=DESC&per_page=3", [4, 3, 2]),
            ("order_by=id", [1, 2, 3, 4]), ("order_by=total_amount&order_type=desc", [4, 3, 2, 1]),
            ("sort_by=id&sort_type=desc", [4, 3, 2, 1]), ("search=", [3, 4, 1, 2]), ("search=2", [2]),
            ("search=%233", [3]), ("search=PENDING", [4]), ("search=eur+paid", [1]), ("search=zzz", []),
            ("search=%25", []), ("search=9223372036854775807", []), ("search=pay&page=2&per_page=1", []),
        ],
    )  # fmt: skip
    async def test_orders_are_sorted_and_searched(
        self, customer: None, database: Database, viewer: httpx.AsyncClient, query: str, ids: list[int]
    ) -> None:
        for number in range(4):
            made = order(paid=number, created_at=f"2024-01-{20 - number // 2}T10:00:00Z")
            made |= {0: {"currency": "EUR"}, 3: {"payment_status": "pending"}}.get(number, {})
            await database.write(orders.record_order, made)
        for path in ("/1/orders", "/1/order"):
            answer = await viewer.get(f"{path}?{query}")
            [found] = answer.json()["data"].values()
            assert [each["id"] for each in found] == ids
            assert "per_page" in query or answer.headers["x-wp-total"] == str(len(ids))

    async def test_orders_by_an_unknown_field_are_rejected(
        self, customer: None, viewer: httpx.AsyncClient
    ) -> None:
        for query in ("order_by=email", "order_type=up"):
            assert_error(await viewer.get(f"/1/orders?{query}"), 422, "validation_error")


class TestStats:
    async def test_stats_without_an_order_are_zero(self, customer: None, viewer: httpx.AsyncClient) -> None:
        assert await stats(viewer) == {
            "total_spent": 0, "order_count": 0, "average_order_value": 0, "last_order_date": None,
            "first_order_date": None,
        }  # fmt: skip

    @pytest.mark.parametrize("payment_status", PaymentStatus)
    async def test_stats_count_paid_orders(
        self, customer: None, database: Database, viewer: httpx.AsyncClient, payment_status: str
    ) -> None:
        await database.write(orders.record_order, order(payment_status=str(payment_status), total_refund=300))
        found = await stats(viewer)
        expected = (1, 700) if payment_status in COUNTED else (0, 0)
        assert (found["order_count"], found["total_spent"]) == expected
        assert (found["first_order_date"] is not None) == (payment_status in COUNTED)

    async def test_stats_never_fall_below_zero_for_an_order(
        self, customer: None, database: Database, viewer: httpx.AsyncClient
    ) -> None:
        for fields in ({"paid": 500, "total_refund": 900}, {"paid": 300}):
            await database.write(orders.record_order, order(**fields))
        found = await stats(viewer)
        assert (found["total_spent"], found["order_count"], found["average_order_value"]) == (300, 2, 150)

    async def test_stats_follow_an_order_to_another_customer(
        self, customer: None, make_customer: MakeCustomer, database: Database, viewer: httpx.AsyncClient
    ) -> None:
        await make_customer(email="two@example.com")
        await database.write(orders.record_order, order(id=7))
        await database.write(orders.record_order, order(2, id=7, paid=50))
        assert [(await stats(viewer, each))["total_spent"] for each in (1, 2)] == [0, 50]
        await database.write(orders.record_order, order(None, id=7))
        assert [(await stats(viewer, each))["order_count"] for each in (1, 2)] == [0, 0]

    @pytest.mark.parametrize(
        ("total", "count", "rounded"),
        [(5000, 3, 1667), (5, 2, 3), (1, 3, 0), (2, 3, 1), (0, 4, 0), (0, 0, 0)],
    )
    def test_averages_round_half_up(self, total: int, count: int, rounded: int) -> None:
        assert average(total, count) == rounded


async def test_totals_equal_the_sum_of_random_orders(make_customer: MakeCustomer, database: Database) -> None:
    """Orders are created and changed at random. Plain Python adds up the result."""
    chance = random.Random(3)
    for number in range(1, 5):
        await make_customer(email=f"{number}@example.com")
    for _ in range(150):
        state = order(
            chance.choice((1, 2, 3, 4, None)),
            id=chance.randint(1, 60),
            paid=chance.choice((0, 1, 999, 2**40)),
            total_refund=chance.choice((0, 0, 1, 500, 2**41)),
            status=str(chance.choice(list(OrderStatus))),
            payment_status=str(chance.choice(list(PaymentStatus))),
            created_at=f"2024-{chance.randint(1, 12):02}-01T00:00:00Z",
        )
        await database.write(orders.record_order, state)
    stored = await database.scan(rows, Order)
    for customer in await database.scan(rows, Customer):
        own = [
            each for each in stored
            if each["customer_id"] == customer["id"] and each["payment_status"] in COUNTED
        ]  # fmt: skip
        times = sorted(each["created_at"] for each in own) or [None]
        assert customer["order_count"] == len(own)
        assert customer["total_spent"] == sum(
            max(each["total_paid"] - each["total_refund"], 0) for each in own
        )
        assert (customer["first_order_at"], customer["last_order_at"]) == (times[0], times[-1])
    assert await database.write(orders.recalculate) == 0


class TestThePluginsRoutes:
    """Requests of the live plugin's clients beyond the contract.

    See docs/decisions.md#75-routes-of-the-plugin.
    """

    @pytest.fixture
    async def orders_of_one(self, customer: None, database: Database) -> None:
        for paid in (1000, 500, 300):
            await database.write(orders.record_order, order(paid=paid))

    async def test_order_route_of_the_plugin_returns_the_same_as_orders(
        self, orders_of_one: None, viewer: httpx.AsyncClient
    ) -> None:
        for query in ("", "?per_page=2", "?page=2&per_page=2"):
            answer, expected = await viewer.get(f"/1/order{query}"), await viewer.get(f"/1/orders{query}")
            assert answer.json() == {"success": True, "data": {"data": expected.json()["data"]["orders"]}}
            for name in ("x-wp-total", "x-wp-totalpages"):
                assert answer.headers[name] == expected.headers[name]
        assert len(answer.json()["data"]["data"]) == 1
        assert_error(await viewer.get("/999/order"), 404, "customer_not_found")

    async def test_recalculation_corrects_one_customers_totals(
        self, orders_of_one: None, make_customer: MakeCustomer, database: Database, manager: httpx.AsyncClient
    ) -> None:
        await make_customer(email="two@example.com")
        right = (await manager.get("/1")).json()["data"]["customer"]
        wrong = {"total_spent": 5, "order_count": 9, "first_order_at": None}
        await database.write(set_totals, wrong)

        answer = await manager.post("/1/recalculate-ltv")

        assert answer.json() == {
            "success": True,
            "data": {"customer": right},
            "message": "Lifetime value recalculated successfully",
            "customer": right,
        }
        assert (right["total_spent"], right["order_count"]) == (1800, 3)
        assert (await stats(manager))["first_order_date"] == "2024-01-01T10:00:00Z"
        # Customer 2 is left as it is.
        assert (await stats(manager, 2))["total_spent"] == 5
        await manager.post("/2/recalculate-ltv")
        assert (await stats(manager, 2))["total_spent"] == 0
        assert_error(await manager.post("/999/recalculate-ltv"), 404, "customer_not_found")

    async def test_recalculation_may_be_sent_again(
        self, orders_of_one: None, manager: httpx.AsyncClient
    ) -> None:
        key = {"Idempotency-Key": "k"}
        first = await manager.post("/1/recalculate-ltv", headers=key)
        again = await manager.post("/1/recalculate-ltv", headers=key)
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


def set_totals(connection: Connection, totals: dict[str, Any]) -> None:
    connection.execute(update(Customer).values(totals))
