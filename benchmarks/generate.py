"""A made-up shop of any size, the same for the same seed: customers, addresses, orders, and a user.

Rows are tuples in the order of the columns below, ready for a driver. Totals are those of the orders, so that
``fluent-cart check`` finds nothing wrong.

See docs/decisions.md#16-totals-of-a-customer.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from benchmarks import names
from fluent_cart.clock import to_text
from fluent_cart.enums import OrderStatus, PaymentStatus
from fluent_cart.models import Address, Base, Customer, Order
from fluent_cart.services.customers import DERIVED, derived_columns
from fluent_cart.services.folding import fold

Row = tuple[Any, ...]

SEED = 1
SIZES = (10_000, 100_000, 1_000_000)
OPENED = datetime(2020, 1, 1, tzinfo=UTC)
MINUTES = 5 * 365 * 24 * 60
COUNTED = frozenset(PaymentStatus.counted())

# How many addresses and orders a customer has: two and one and a half on average.
ADDRESSES = (1, 1, 2, 2, 2, 2, 3, 3)
ORDERS = (0, 0, 1, 1, 1, 2, 3, 4)
PAYMENTS = (
    *[PaymentStatus.PAID] * 7,
    PaymentStatus.PARTIALLY_REFUNDED,
    PaymentStatus.REFUNDED,
    PaymentStatus.PENDING,
)

COLUMNS: dict[type[Base], tuple[str, ...]] = {
    Customer: (
        "id", "email", "first_name", "last_name", "phone", "status", "user_id", "additional_info",
        "total_spent", "order_count", "first_order_at", "last_order_at", *DERIVED, "created_at",
        "updated_at",
    ),
    Address: (
        "id", "customer_id", "type", "is_primary", "first_name", "last_name", "company_name", "address_1",
        "address_2", "city", "state", "postcode", "country", "phone", "created_at", "updated_at",
    ),
    Order: (
        "id", "customer_id", "status", "payment_status", "currency", "total_amount", "total_paid",
        "total_refund", "created_at", "updated_at",
    ),
}  # fmt: skip
for _model, _columns in COLUMNS.items():
    assert set(_columns) == set(_model.__table__.columns.keys()), f"generate all columns of {_model}"


class Batch(NamedTuple):
    """Rows of some customers and of all that belongs to them."""

    customers: list[Row]
    addresses: list[Row]
    orders: list[Row]

    def by_model(self) -> dict[type[Base], list[Row]]:
        return {Customer: self.customers, Address: self.addresses, Order: self.orders}


def batches(count: int, size: int = 10_000, seed: int = SEED) -> Iterator[Batch]:
    """Yield the rows of ``count`` customers, ``size`` customers at a time."""
    shop = _Shop(seed)
    for start in range(1, count + 1, size):
        batch = Batch([], [], [])
        for number in range(start, min(start + size, count + 1)):
            shop.add(batch, number)
        yield batch


class _Shop:
    """Makes one customer after the other. Ids of addresses and orders continue from batch to batch."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._first_names = names.spread(names.FIRST, self._rng)
        self._last_names = names.spread(names.LAST, self._rng)
        self._mailboxes = {name: _mailbox(name) for name in {*self._first_names, *self._last_names}}
        self._addresses = self._orders = 0

    def add(self, batch: Batch, number: int) -> None:
        pick = self._rng.random
        first = self._first_names[int(pick() * len(self._first_names))]
        last = self._last_name(number)
        box = f"{self._mailboxes[first]}.{self._mailboxes.get(last) or _mailbox(last)}.{number}"
        joined = OPENED + timedelta(minutes=int(pick() * MINUTES))
        customer = {
            "first_name": first,
            "last_name": last,
            "email": f"{box}@{names.DOMAINS[int(pick() * len(names.DOMAINS))]}",
            "phone": f"+1 555-{number:07}" if pick() < 0.7 else None,
        }
        moment = to_text(joined)
        self._add_addresses(batch.addresses, number, first, last, moment)
        totals = self._add_orders(batch.orders, number, joined)
        changed = to_text(joined + timedelta(minutes=int(pick() * MINUTES / 5)))
        info = f'{{"company":"{last} Ltd"}}' if pick() < 0.1 else "{}"
        status = "inactive" if pick() < 0.1 else "active"
        batch.customers.append((
            number, customer["email"], first, last, customer["phone"], status, None, info, *totals,
            *derived_columns(customer).values(), moment, changed,
        ))  # fmt: skip

    def _last_name(self, number: int) -> str:
        if number % names.RARE_EVERY == 7:
            return names.RARE
        if number % names.COMMON_EVERY == 0:
            return names.COMMON
        return self._last_names[int(self._rng.random() * len(self._last_names))]

    def _add_addresses(self, rows: list[Row], number: int, first: str, last: str, moment: str) -> None:
        pick = self._rng.random
        for place in range(ADDRESSES[int(pick() * len(ADDRESSES))]):
            self._addresses += 1
            city, state, country = names.PLACES[int(pick() * len(names.PLACES))]
            street = names.STREETS[int(pick() * len(names.STREETS))]
            rows.append((
                self._addresses, number, "shipping" if place else "billing", place == 0, first, last, None,
                f"{1 + int(pick() * 300)} {street}", None, city, state, f"{10_000 + int(pick() * 90_000)}",
                country, None, moment, moment,
            ))  # fmt: skip

    def _add_orders(
        self, rows: list[Row], number: int, joined: datetime
    ) -> tuple[int, int, str | None, str | None]:
        """Add a customer's orders. Return spent, count, first and last."""
        pick = self._rng.random
        spent, counted, moment = 0, [], joined
        for _ in range(ORDERS[int(pick() * len(ORDERS))]):
            self._orders += 1
            moment += timedelta(minutes=1 + int(pick() * 60 * 24 * 90))
            amount = 500 + int(pick() * pick() * 60_000)
            payment = PAYMENTS[int(pick() * len(PAYMENTS))]
            paid = 0 if payment is PaymentStatus.PENDING else amount
            refund = {PaymentStatus.REFUNDED: amount, PaymentStatus.PARTIALLY_REFUNDED: amount // 3}.get(
                payment, 0
            )
            status = OrderStatus.PROCESSING if payment is PaymentStatus.PENDING else OrderStatus.COMPLETED
            text = to_text(moment)
            rows.append((
                self._orders, number, status.value, payment.value, "USD", amount, paid, refund, text, text,
            ))  # fmt: skip
            if payment in COUNTED:
                spent += paid - refund
                counted.append(text)
        return spent, len(counted), counted[0] if counted else None, counted[-1] if counted else None


def _mailbox(name: str) -> str:
    """Return the name as it stands in an e-mail address: plain ASCII letters."""
    return "".join(letter for letter in fold(name) if letter.isascii() and letter.isalpha())
