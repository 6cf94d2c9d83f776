"""Measure the cost of each layer of a request, in one process and without a network, on SQLite.

Each line contains the one before it. The best of many turns is the cost of the code without disturbance, so
this holds on noisy machines, too. "Times the driver" can be compared between machines.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select

from benchmarks.databases import Databases
from benchmarks.markdown import table
from benchmarks.registry import OURS_SQLITE
from benchmarks.workloads import CUSTOMERS, PATH, SECRET, USER, authorization
from fluent_cart.app import create_app
from fluent_cart.database import sqlite
from fluent_cart.http.responses import envelope
from fluent_cart.models import Address, Customer
from fluent_cart.schemas.customer_queries import CustomerListQuery
from fluent_cart.security.application_passwords import digest
from fluent_cart.services import customer_search, customers
from fluent_cart.services.application_passwords import find_by_application_password
from fluent_cart.settings import Settings

ID = 4711
# How long one turn lasts.
TURN_SECONDS = 0.02

Step = Callable[[], Any]


def measure(best_of: int) -> str:
    """Return the table, in microseconds."""
    url = Databases(server=None).fresh(OURS_SQLITE, CUSTOMERS)
    engine = sqlite.create_sqlite_engine(url, begin=None, connections=1, read_only=True)
    with engine.connect() as connection:
        steps = {
            "sign in": _sign_in(connection),
            "get one": _get_one(connection),
            "list 10": _list(connection, 10),
            "list 100": _list(connection, 100),
        }
        best = {
            name: {step: _best(call, best_of) for step, call in each.items()} for name, each in steps.items()
        }
    engine.dispose()
    paths = {"get one": f"/{ID}", "list 10": "?per_page=10", "list 100": "?per_page=100"}
    for name, path in paths.items():
        best[name]["app over ASGI, signed in"] = asyncio.run(_app(url, path, best_of))
    rows = [
        [name, step, f"{seconds * 1e6:.1f}", f"{seconds / next(iter(each.values())):.1f}"]
        for name, each in best.items()
        for step, seconds in each.items()
    ]
    return table(("request", "layer", "microseconds", "times its first layer"), rows)


def _best(call: Step, best_of: int) -> float:
    began = time.perf_counter()
    call()
    number = max(1, int(TURN_SECONDS / (time.perf_counter() - began)))

    def turn() -> float:
        began = time.perf_counter()
        for _ in range(number):
            call()
        return (time.perf_counter() - began) / number

    return min(turn() for _ in range(best_of))


def _sign_in(connection: Connection) -> dict[str, Step]:
    hashed = digest(SECRET)
    return {
        "hash": lambda: digest(SECRET),
        "look-up": lambda: find_by_application_password(connection, USER, hashed),
    }


def _get_one(connection: Connection) -> dict[str, Step]:
    columns = (*customers.DETAIL_COLUMNS, *customers.EXTENSION_COLUMNS, *customers.ADDRESS_COLUMNS)
    statement = (
        select(*columns)
        .outerjoin(Address, Address.customer_id == Customer.id)
        .where(Customer.id == bindparam("customer_id"))
        .order_by(Customer.id, Address.id)
    )
    text, driver = str(statement.compile(connection)), _driver(connection)
    return {
        "driver": lambda: driver.execute(text, (ID,)).fetchall(),
        "Core": lambda: connection.execute(statement, {"customer_id": ID}).all(),
        "service": lambda: customers.get_customer(connection, ID),
        "service, orjson": lambda: orjson.dumps(customers.get_customer(connection, ID)),
        "service, envelope": lambda: envelope(customer=customers.get_customer(connection, ID)),
    }


def _list(connection: Connection, per_page: int) -> dict[str, Step]:
    query = CustomerListQuery(per_page=per_page)
    statement = select(*customers.LIST_COLUMNS).order_by(Customer.id.desc()).limit(bindparam("limit"))
    names = ", ".join(column.key for column in customers.LIST_COLUMNS)
    text, driver = f"SELECT {names} FROM customers ORDER BY id DESC LIMIT ?", _driver(connection)

    def service() -> Any:
        return customer_search.list_customers(connection, query)

    return {
        "driver": lambda: driver.execute(text, (per_page,)).fetchall(),
        "Core": lambda: connection.execute(statement, {"limit": per_page}).all(),
        "service": service,
        "service, orjson": lambda: orjson.dumps(service().items),
        "service, envelope": lambda: envelope(customers=service().items),
    }


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


async def _app(url: str, path: str, best_of: int) -> float:
    """Return how long the application takes for a request, without a server."""
    # The rate limit is counted but out of reach, as in every other measurement.
    app = create_app(Settings(database_url=url, rate_limit=1_000_000))
    target, _, query = (PATH + path).partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": target,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", authorization().encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async with app.router.lifespan_context(app):
        await app({**scope, "state": {}}, receive, send)
        assert sent[0]["status"] == 200, sent
        return await _best_of_many(lambda: app({**scope, "state": {}}, receive, send), best_of)


async def _best_of_many(call: Callable[[], Awaitable[None]], best_of: int, number: int = 50) -> float:
    best = float("inf")
    for _ in range(best_of):
        began = time.perf_counter()
        for _ in range(number):
            await call()
        best = min(best, (time.perf_counter() - began) / number)
    return best
