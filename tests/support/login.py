"""Signing in, in tests: headers, responses, users and hashes of an older site, and their costs."""

import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import httpx
import pytest
from fastapi import FastAPI, Request
from passlib.hash import phpass
from sqlalchemy import Connection, Engine, event, insert, select

from fluent_cart.auth.dependencies import Credentials, current_user
from fluent_cart.clock import now
from fluent_cart.models import ApplicationPassword, User
from fluent_cart.services import users
from fluent_cart.services.users import CurrentUser
from fluent_cart.settings import Settings
from tests.support.errors import assert_error

CHALLENGE = 'Basic realm="FluentCart", charset="UTF-8"'
# The administrator "legacy" of a real WordPress, whose hashes are older than 6.8, and its two passwords.
LEGACY_SECRET, LEGACY_HASH = "bwGfoUPFCoHx5LIl8X3i85bl", "$P$Bb9ZYqUD4FZumBLiaYb4n4eyHNkGH80"
LOGIN_PASSWORD = "old login p\u00e4ssword"


def basic(decoded: str | bytes, scheme: str = "Basic") -> dict[str, str]:
    """Return the header for ``name:secret``."""
    raw = decoded.encode() if isinstance(decoded, str) else decoded
    return {"Authorization": f"{scheme} {b64encode(raw).decode()}"}


def assert_signed_in(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["success"]) == (200, True)
    assert "www-authenticate" not in response.headers


def assert_refused(response: httpx.Response, code: str = "authentication_failed") -> None:
    text = {
        "authentication_required": "Authentication is required: send an application password with HTTP Basic",
        "authentication_failed": "The user name or the application password is not correct",
    }[code]
    assert_error(response, 401, code, text)
    assert response.headers.get_list("www-authenticate") == [CHALLENGE]


SITE = "http://shop.example"
LOGIN, NONCE = f"{SITE}/wp-login.php", f"{SITE}/wp-admin/admin-ajax.php?action=rest-nonce"


async def sign_in(client: httpx.AsyncClient, name: str, password: str, **fields: str) -> httpx.Response:
    """Submit the login form. The client keeps the cookie."""
    return await client.post(LOGIN, data={"log": name, "pwd": password, **fields})


async def make_nonce(client: httpx.AsyncClient) -> str:
    """Return the nonce of the session whose cookie a client has."""
    response = await client.get(NONCE)
    assert response.status_code == 200, response.text
    return response.text


def with_nonce(nonce: str) -> dict[str, str]:
    return {"X-WP-Nonce": nonce}


async def user_of(app: FastAPI, name: str, secret: str) -> CurrentUser:
    """Return who signs in with these."""
    request = Request({"type": "http", "method": "GET", "app": app, "headers": [], "state": {}})
    return await current_user(request, Credentials(name, secret), app.state.database)


def store_user(connection: Connection, login: str, role: str = "administrator") -> int:
    return users.create_user(connection, login, f"{login}@shop.example", login.title(), role)


def store_hash(connection: Connection, login: str, password_hash: str) -> int:
    """Store an imported application password and return its id."""
    user_id = connection.scalar(select(User.id).where(User.login == login))
    values = {"user_id": user_id, "name": "old client", "password_hash": password_hash, "created_at": now()}
    made = connection.execute(insert(ApplicationPassword).returning(ApplicationPassword.id), values)
    return int(made.scalar_one())


def quick_legacy_hash(secret: str) -> str:
    """Return a legacy hash of fewer rounds than WordPress makes."""
    return str(cast(Any, phpass).using(rounds=7).hash(secret))


class Work(NamedTuple):
    """The work: SQLite's statements without their values, and rounds and threads of the slow hashes."""

    statements: list[str]
    rounds: list[int]
    threads: set[threading.Thread]


@contextmanager
def watch() -> Iterator[Work]:
    """Record the statements of new connections."""
    done, handler = Work([], [], set()), cast(Any, phpass)
    calculate = handler._calc_checksum

    def count_hash(legacy: Any, secret: Any) -> Any:
        done.rounds.append(legacy.rounds)
        done.threads.add(threading.current_thread())
        return calculate(legacy, secret)

    def trace(connection: Any, _record: Any) -> None:
        if hasattr(connection, "set_trace_callback"):
            connection.set_trace_callback(count_statement)

    def count_statement(sql: str) -> None:
        if not sql.startswith("PRAGMA"):
            done.statements.append(re.sub("'[^']*'", "?", sql))

    event.listen(Engine, "connect", trace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handler, "_calc_checksum", count_hash)
        yield done
    event.remove(Engine, "connect", trace)


class OnSQLite:
    """Of a test for which one database will do."""

    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        return sqlite_settings
