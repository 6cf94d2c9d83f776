"""The demo shop: the customers of the contract's examples, and more customers to search and page through.

Its user and password are public. They exist in the demo's own file and nowhere else.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, insert, update

from fluent_cart.clock import to_text
from fluent_cart.database import create_database, migrations
from fluent_cart.enums import AddressType, CustomerStatus, OrderStatus, PaymentStatus
from fluent_cart.models import Address, ApplicationPassword, Customer
from fluent_cart.security import application_passwords
from fluent_cart.services import orders, users
from fluent_cart.services.customers import derived_columns
from fluent_cart.services.folding import fold
from fluent_cart.settings import Settings

FOLDER, FILE = "fluent-cart-demo-", "shop.db"
LOGIN, SECRET = "username", "application_password"  # the contract's own example
LOGIN_PASSWORD = "login_password"  # noqa: S105  # public, as the other one
# Hashed here, because hashing takes a third of a second and has another result each time.
LOGIN_HASH = "$wp$2y$12$3PosPW7WCkUbDDulklMiPebEPa1c4ykXjL0iIvX998TUCS0W0QPke"

OPENED = datetime(2024, 1, 1, 10, tzinfo=UTC)

NAMES = (
    "Zoë Müller", "José García", "Søren Kjær", "Anna Kowalska", "Łukasz Nowak", "Chloé Dubois", "Nguyễn An",
    "Mary O'Brien", "Ming Li", "Fatima Zahra", "Ivan Petrov", "Aiko Tanaka", "Carlos Núñez", "Emma Johnson",
    "Liam Smith", "Olivia Brown", "Noah Jones", "Ava Miller", "Elijah Davis", "Mia Wilson", "Lucas Moore",
    "Amelia Taylor", "Mason Anderson", "Harper Thomas", "Ethan Jackson", "Ella White", "Logan Harris",
    "Sofia Martin", "Jack Thompson", "Grace Robinson", "Henry Clark", "Chloe Lewis", "Leo Walker",
    "Nora Hall", "Owen Young", "Lily King", "Johnny Wright", "Isla Scott",
)  # fmt: skip
CITIES = (
    ("Berlin", "DE"),
    ("Madrid", "ES"),
    ("London", "GB"),
    ("Paris", "FR"),
    ("Austin", "US"),
    ("Osaka", "JP"),
)


@contextmanager
def temporary_shop(settings: Settings) -> Iterator[Settings]:
    """Create a demo shop in a new temporary folder. Yield the settings with its database."""
    with TemporaryDirectory(prefix=FOLDER) as folder:
        own = settings.model_copy(
            update={"database_url": f"sqlite:///{folder}/{FILE}", "database_read_url": ""}
        )
        create(own)
        yield own


def create(settings: Settings) -> None:
    """Create the demo shop in the database of the settings, which is empty or missing."""
    migrations.upgrade(settings.database_url)

    async def fill() -> None:
        async with create_database(settings) as database:
            await database.write(load)

    asyncio.run(fill())


def load(connection: Connection) -> None:
    """Store the demo shop in an empty SQLite database.

    It sets ids itself, so PostgreSQL's sequences would be wrong.
    """
    _load_users(connection)
    _load_john(connection)
    for number, name in enumerate(NAMES, start=2):
        _load_customer(connection, number, name)
    _load_duplicate(connection, len(NAMES) + 2)
    # Only the contract's two users are left to attach.
    connection.execute(update(Customer).where(Customer.id == 3).values(user_id=3))


def _load_users(connection: Connection) -> None:
    users.create_user(connection, "johndoe", "john@example.com", "John Doe", "subscriber")
    users.create_user(connection, "janesmith", "jane@example.com", "Jane Smith", "subscriber")
    user_id = users.create_user(
        connection, LOGIN, "owner@example.com", "Shop Owner", "administrator", LOGIN_HASH
    )
    connection.execute(
        insert(ApplicationPassword),
        {
            "user_id": user_id,
            "name": "Demo",
            "password_hash": application_passwords.digest(SECRET),
            "created_at": to_text(OPENED),
        },
    )


def _load_john(connection: Connection) -> None:
    last = datetime(2024, 1, 15, 14, 30, tzinfo=UTC)
    john = {
        "id": 1,
        "email": "customer@example.com",
        "first_name": "John",
        "last_name": "Doe",
        "phone": "+1234567890",
        "additional_info": {"company": "Example Corp", "notes": "VIP customer"},
    }
    _store_customer(connection, john, OPENED, last)
    place = {"customer_id": 1, "first_name": "John", "last_name": "Doe", "state": "NY", "country": "US"}
    _store_address(
        connection,
        place
        | {"id": 1, "address_1": "123 Main St", "city": "New York", "postcode": "10001", "is_primary": True},
        OPENED,
    )
    _store_address(
        connection,
        place
        | {"id": 2, "type": "shipping", "address_1": "456 Oak Ave", "city": "Brooklyn", "postcode": "11201"},
        OPENED,
    )
    _record_order(connection, 1, 1, 2500, OPENED, OrderStatus.COMPLETED)
    _record_order(connection, 2, 1, 2500, last, OrderStatus.PROCESSING)
    # The contract's example lists two orders and counts three, so the third one costs nothing.
    _record_order(connection, 3, 1, 0, datetime(2024, 1, 8, 9, tzinfo=UTC), OrderStatus.COMPLETED)


def _load_customer(connection: Connection, number: int, name: str) -> None:
    first_name, last_name = name.split()
    joined = OPENED + timedelta(days=3 * number, hours=number)
    status = CustomerStatus.INACTIVE if number % 7 == 0 else CustomerStatus.ACTIVE
    _store_customer(
        connection,
        {
            "id": number,
            "email": f"{fold(name).replace(' ', '.').replace(chr(39), '')}@example.com",
            "first_name": first_name,
            "last_name": last_name,
            "phone": f"+49 30 555-{1000 + 37 * number}" if number % 3 else None,
            "status": status.value,
        },
        joined,
        joined,
    )
    city, country = CITIES[number % len(CITIES)]
    _store_address(
        connection,
        {
            "customer_id": number,
            "first_name": first_name,
            "last_name": last_name,
            "address_1": f"{number} High Street",
            "city": city,
            "postcode": str(10000 + number),
            "country": country,
            "is_primary": True,
        },
        joined,
    )
    states = cycle(OrderStatus)
    for order in range(number % 4):
        created = joined + timedelta(days=10 * (order + 1))
        _record_order(connection, None, number, 1500 * number + 250 * order, created, next(states))


def _load_duplicate(connection: Connection, number: int) -> None:
    """Store John once more, as a checkout without an account does."""
    john = {
        "id": number,
        "email": "customer+shop@example.com",
        "first_name": "",
        "last_name": "",
        "phone": "+1 234 567 890",
        "additional_info": {"newsletter": True},
    }
    _store_customer(connection, john, OPENED, OPENED)


def _store_customer(
    connection: Connection, customer: dict[str, Any], created: datetime, updated: datetime
) -> None:
    connection.execute(
        insert(Customer),
        {
            "status": CustomerStatus.ACTIVE.value,
            "additional_info": {},
            **customer,
            **derived_columns(customer),
            "created_at": to_text(created),
            "updated_at": to_text(updated),
        },
    )


def _store_address(connection: Connection, address: dict[str, Any], created: datetime) -> None:
    moment = to_text(created)
    values = {"type": AddressType.BILLING.value, **address, "created_at": moment, "updated_at": moment}
    connection.execute(insert(Address), values)


def _record_order(
    connection: Connection,
    order_id: int | None,
    customer_id: int,
    amount: int,
    created: datetime,
    status: OrderStatus,
) -> None:
    order = {
        "customer_id": customer_id,
        "status": status.value,
        "payment_status": PaymentStatus.PAID.value,
        "currency": "USD",
        "total_amount": amount,
        "total_paid": amount,
        "total_refund": 0,
        "created_at": to_text(created),
    }
    orders.record_order(connection, order | ({"id": order_id} if order_id else {}))
