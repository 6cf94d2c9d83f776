"""The same shop on several databases. All get the same requests and must return the same bytes."""

import asyncio
import itertools
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

import orjson
from fastapi import FastAPI
from sqlalchemy import Connection, text

from fluent_cart import clock
from fluent_cart.app import create_app
from fluent_cart.security import application_passwords
from fluent_cart.services import invariants, orders, users
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import ROLES, secret_of

# Within the times that the filters of the search tests know.
START = datetime(2024, 1, 10, 12, 30, tzinfo=UTC)
# The test users stay.
RESET = (
    "DELETE FROM orders",
    "DELETE FROM customers",
    "DELETE FROM idempotency_keys",
    f"DELETE FROM application_passwords WHERE id > {len(ROLES)}",
    f"DELETE FROM users WHERE id > {len(ROLES)}",
)
COUNTERS = {
    "customers": 0, "customer_addresses": 0, "orders": 0, "users": len(ROLES),
    "application_passwords": len(ROLES),
}  # fmt: skip


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class DatabasePair:
    """Applications on shops of the same content, in one event loop and at one time, which the tests set."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._apps = [
            create_app(Settings(database_url=url, rate_limit=0, failed_login_limit=0, _env_file=None))
            for url in urls
        ]
        self._moment = START
        self._secrets = itertools.count()
        stopped = type("Stopped", (datetime,), {"now": classmethod(lambda _, zone: self._moment)})
        self._patches: list[Any] = [
            patch.object(clock, "datetime", stopped),
            patch.object(application_passwords, "generate", lambda: f"{next(self._secrets):024}"),
        ]

    def __enter__(self) -> "DatabasePair":
        for each in self._patches:
            each.start()
        for app in self._apps:
            self._runner.run(self._stack.enter_async_context(app.router.lifespan_context(app)))
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()
        for each in self._patches:
            each.stop()

    def set_clock(self, seconds: int) -> str:
        """Set the clock to a number of seconds after the start. Return the time as text."""
        self._moment = START + timedelta(seconds=seconds)
        return clock.now()

    def reset(self) -> None:
        self._write(_reset)

    def ask(
        self,
        method: str,
        path: str,
        sent: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] = ("manager", secret_of("manager")),
    ) -> Reply:
        """Send a request to each shop. Return the response, which must be the same from all."""
        body = b"" if sent is None else sent if isinstance(sent, bytes) else orjson.dumps(sent)
        basic = "Basic " + b64encode(":".join(auth).encode()).decode()
        everything = {"host": "shop.example", "authorization": basic, **(headers or {})}
        reply: Reply = self._alike(lambda app: _send(app, method, PREFIX + path, body, everything))
        return reply

    def write(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run a unit of work on each. Return the result or raise the error, which must be the same on all."""
        return self._write(work, *arguments)

    def violations(self) -> Any:
        """Return the rules that are broken, and how many totals were wrong."""
        return self._write(
            lambda connection: (invariants.find_violations(connection), orders.recalculate(connection))
        )

    def _write(self, work: Callable[..., Any], *arguments: Any) -> Any:
        async def run(app: FastAPI) -> Any:
            try:
                return await app.state.database.write(work, *arguments)
            except users.UserError as error:
                return str(error)

        # Each generates the same secrets.
        before = next(self._secrets)

        async def again(app: FastAPI) -> Any:
            self._secrets = itertools.count(before)
            return await run(app)

        return self._alike(again)

    def _alike(self, call: Callable[[FastAPI], Any]) -> Any:
        async def all_of_them() -> list[Any]:
            return [await call(app) for app in self._apps]

        first, *others = self._runner.run(all_of_them())
        for other in others:
            assert other == first, f"the databases do not agree:\n{first}\n{other}"
        return first


# The databases themselves write the time of a change, by their own clocks.
_CHANGED_AT = re.compile(rb'(?<="changed_at":")[^"]*')


async def _send(app: FastAPI, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    """Send a request as a server does, with nothing of a client's in between."""
    started: dict[str, Any] = {}
    content = bytearray()
    path, _, query = path.partition("?")

    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            # A client that waits for its response. A route that sends a file listens for a disconnect.
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        started.update(message if message["type"] == "http.response.start" else {})
        content.extend(message.get("body", b""))

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
        "root_path": "", "scheme": "http", "query_string": query.encode(), "client": ("127.0.0.1", 1),
        "server": ("shop.example", 80), "state": {},
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await app(scope, receive, send)
    shown = {name.decode(): value.decode() for name, value in started["headers"]}
    shown.pop("x-request-id", None)
    return Reply(started["status"], shown, _CHANGED_AT.sub(b"", bytes(content)))


def _reset(connection: Connection) -> None:
    for statement in RESET:
        connection.execute(text(statement))
    for table, last in COUNTERS.items():
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"UPDATE sqlite_sequence SET seq = {last} WHERE name = '{table}'"))
        else:
            value = f"{last}, true" if last else "1, false"
            connection.execute(text(f"SELECT setval('{table}_id_seq', {value})"))
