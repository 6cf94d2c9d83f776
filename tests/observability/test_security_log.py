"""The security log has one line for each refusal. No log has a secret."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, insert

from fluent_cart.auth.limits import FailedLoginLimiter, RateLimiter
from fluent_cart.database import Database
from fluent_cart.errors import TooManyRequests
from fluent_cart.models import Customer, Session, User
from fluent_cart.observability import security_log
from fluent_cart.security import application_passwords, login_passwords, session_cookies
from fluent_cart.services import customers, users
from tests.conftest import MakeClient, MakeCustomer, login_password_of, rows, secret_of
from tests.support.errors import assert_error
from tests.support.login import (
    LEGACY_HASH,
    LEGACY_SECRET,
    LOGIN,
    SITE,
    OnSQLite,
    assert_refused,
    assert_signed_in,
    basic,
    make_nonce,
    quick_legacy_hash,
    sign_in,
    store_hash,
    store_user,
    with_nonce,
)
from tests.support.pages import AUTHORIZE, PROFILE, fields_of, secret_in, submit

ROUTE = "/wp-json/fluent-cart/v2/customers"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """Return the parsed lines of the security log, without their times."""
    caplog.set_level(logging.INFO)

    def read() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "fluent_cart.security"]
        read = [json.loads(record.getMessage()) for record in records]
        for line, record in zip(read, records, strict=True):
            assert record.getMessage().isascii()
            assert record.getMessage().isprintable()
            assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("time"))
        return read

    return read


def line(event: str, outcome: str, account: str | None, route: str) -> dict[str, Any]:
    return {
        "event": event,
        "outcome": outcome,
        "account": account,
        "route": route,
        "address": "127.0.0.1",
        "request_id": "mine",
    }


class TestLines(OnSQLite):
    """One for each refusal, whole."""

    @pytest.fixture
    async def stranger(self, anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
        anonymous.headers["X-Request-Id"] = "mine"
        return anonymous

    async def test_failed_authentication_is_logged(self, stranger: httpx.AsyncClient, lines: Lines) -> None:
        await stranger.get("/1/address?search=x")
        await stranger.post("", headers=basic("worker:wrong"), json={})
        assert lines() == [
            line("authentication", "authentication_required", None, f"GET {ROUTE}/{{customerId}}/address"),
            line("authentication", "authentication_failed", "worker", f"POST {ROUTE}"),
        ]

    async def test_failed_authorization_is_logged(self, stranger: httpx.AsyncClient, lines: Lines) -> None:
        await stranger.put("/1", headers=basic(f"worker:{secret_of('worker')}"), json={})
        route = f"PUT {ROUTE}/{{customerId}}"
        assert lines() == [line("authorization", "insufficient_permissions", "worker", route)]

    async def test_success_is_not_logged(self, stranger: httpx.AsyncClient, lines: Lines) -> None:
        manager = basic(f"manager:{secret_of('manager')}")
        assert_signed_in(await stranger.get("", headers=manager))
        assert_signed_in(await stranger.post("", headers=manager, json={"email": "new@example.com"}))
        await stranger.get("/999", headers=manager)
        await stranger.post("", headers=manager, json={"email": "no address"})
        assert lines() == []

    async def test_throttled_caller_is_logged_once_a_minute(
        self, app: FastAPI, stranger: httpx.AsyncClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        minute = [60.0]
        monkeypatch.setattr(security_log, "_throttled", security_log._ThrottledCallers(lambda: minute[0]))
        app.state.limits = app.state.limits._replace(
            failed_logins=FailedLoginLimiter(1), requests=RateLimiter(1, clock=lambda: 60.0)
        )
        guess, worker = basic("manager:wrong"), basic(f"worker:{secret_of('worker')}")
        for _ in range(3):
            await stranger.get("", headers=guess)
        for _ in range(13):
            await stranger.get("", headers=worker)
        once = [
            line("throttling", "too_many_attempts", "manager", f"GET {ROUTE}"),
            line("throttling", "rate_limited", "worker", f"GET {ROUTE}"),
        ]
        refusal = line("authentication", "authentication_failed", "manager", f"GET {ROUTE}")
        assert lines() == [refusal, *once]
        minute[0] += 60
        await stranger.get("", headers=guess)
        await stranger.get("", headers=worker)
        assert lines() == [refusal, *once, *once]

    async def test_remembered_throttled_callers_are_bounded(
        self, monkeypatch: pytest.MonkeyPatch, lines: Lines
    ) -> None:
        monkeypatch.setattr(security_log, "_throttled", security_log._ThrottledCallers(lambda: 60.0))
        for n in range(3000):
            scope = {"method": "GET", "client": (f"10.0.{n >> 8}.{n & 255}", 1)}
            security_log.log_denied(scope, TooManyRequests())
        assert len(lines()) == 1000

    async def test_password_upgrade_is_logged(
        self, database: Database, stranger: httpx.AsyncClient, lines: Lines
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        for _ in range(2):
            assert_signed_in(await stranger.get("", headers=basic(f"legacy:{LEGACY_SECRET}")))
        assert lines() == [line("password_upgrade", "upgraded", "legacy", f"GET {ROUTE}")]

    async def test_login_and_logout_are_logged(self, stranger: httpx.AsyncClient, lines: Lines) -> None:
        """Each login and logout is logged once. Requests of a session are not logged."""
        for password in ("wrong", login_password_of("worker")):
            await sign_in(stranger, "worker", password)
        nonce = await make_nonce(stranger)
        assert_signed_in(await stranger.get("", headers=with_nonce(nonce)))
        await stranger.get("", headers=with_nonce("wrong"))
        await stranger.get(f"{LOGIN}?action=logout")
        await stranger.get(f"{LOGIN}?action=logout&_wpnonce={nonce}")
        await stranger.get(f"{LOGIN}?action=logout&_wpnonce={nonce}")
        assert lines() == [
            line("authentication", "authentication_failed", "worker", "POST /wp-login.php"),
            line("authentication", "signed_in", "worker", "POST /wp-login.php"),
            line("authentication", "rest_cookie_invalid_nonce", "worker", f"GET {ROUTE}"),
            line("authentication", "signed_out", "worker", "GET /wp-login.php"),
        ]

    async def test_changes_in_the_account_are_logged_without_secrets(
        self, stranger: httpx.AsyncClient, lines: Lines, caplog: pytest.LogCaptureFixture
    ) -> None:
        current, new = login_password_of("worker"), "Kq3vZ)8w!mT&2hX"
        stranger.base_url = httpx.URL(SITE)
        await sign_in(stranger, "worker", current)
        made = await submit(stranger, "make_application_password", name="Canary name")
        page = await stranger.get(
            AUTHORIZE, params={"app_name": "Canary", "success_url": "https://canary.example/"}
        )
        approved = await stranger.post(AUTHORIZE, data={**fields_of(page), "approve": "1"})
        await submit(stranger, "revoke_all_application_passwords")
        await submit(stranger, "revoke_all_application_passwords")
        passwords = {"pass1": new, "pass2": new}
        await submit(stranger, "change_password", current_password="wrong", **passwords)
        await submit(stranger, "change_password", current_password=current, **passwords)
        await submit(stranger, "end_other_sessions")
        await stranger.post(PROFILE, data={"action": "end_other_sessions", "_wpnonce": "0123456789"})
        profile, authorize = f"POST {PROFILE}", f"POST {AUTHORIZE}"
        assert lines() == [
            line("authentication", "signed_in", "worker", "POST /wp-login.php"),
            line("credentials", "app_password_created", "worker", profile),
            line("credentials", "app_approved", "worker", authorize),
            line("credentials", "app_password_revoked", "worker", profile),
            line("authentication", "authentication_failed", "worker", profile),
            line("credentials", "login_password_changed", "worker", profile),
            line("authentication", "rest_cookie_invalid_nonce", "worker", profile),
        ]
        secret = approved.headers["location"].rpartition("=")[2]
        logged = "\n".join(
            str(each.__dict__) for each in caplog.records if each.name.startswith("fluent_cart")
        )
        for text in (new, current, secret, secret_in(made), "anary"):
            assert text not in logged

    async def test_upgrade_of_a_login_password_is_logged(
        self, database: Database, stranger: httpx.AsyncClient, lines: Lines
    ) -> None:
        await database.write(users.set_password, "worker", quick_legacy_hash("old password"))
        await sign_in(stranger, "worker", "old password")
        assert [each["outcome"] for each in lines()] == ["upgraded", "signed_in"]

    async def test_disabled_security_log_writes_nothing(
        self, stranger: httpx.AsyncClient, lines: Lines, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.ERROR, "fluent_cart.security")
        await stranger.get("")
        assert lines() == []


class TestAccounts(OnSQLite):
    """Names as they were sent, without personal data and without texts that are not names."""

    async def test_account_name_with_line_feeds_is_logged_in_one_line(
        self, anonymous: httpx.AsyncClient, lines: Lines
    ) -> None:
        for name in ('a\n{"event"', "a\r\x1b[2J\u2028\x85\u202e", "\u0130stanbul", " "):
            await anonymous.get("", headers=basic(f"{name}:wrong"))
            assert lines()[-1]["account"] == name

    async def test_long_account_name_is_cut(self, anonymous: httpx.AsyncClient, lines: Lines) -> None:
        await anonymous.get("", headers=basic(f"{'- ' * 500}:wrong"))
        assert lines()[-1]["account"] == "- " * 30

    async def test_email_address_is_logged_as_a_hash(
        self, anonymous: httpx.AsyncClient, lines: Lines
    ) -> None:
        for name in ("ann@example.com", " Ann@EXAMPLE.com", "bob@example.com", "worker@shop.example"):
            await anonymous.get("", headers=basic(f"{name}:wrong"))
        first, again, other, known = (each["account"] for each in lines())
        for redact_account in (first, other, known):
            assert re.fullmatch("hash:[0-9a-f]{12}", redact_account)
        assert first == again
        assert len({first, other, known}) == 3

    async def test_name_like_an_application_password_is_logged_as_a_hash(
        self, anonymous: httpx.AsyncClient, lines: Lines
    ) -> None:
        """People put things into the wrong box."""
        for secret in (
            LEGACY_SECRET,
            application_passwords.format_for_display(LEGACY_SECRET),
            f"x{LEGACY_SECRET}",
            LEGACY_SECRET[:20],
        ):
            await anonymous.get("", headers=basic(f"{secret}:worker"))
            assert re.fullmatch("hash:[0-9a-f]{12}", lines()[-1]["account"])


async def test_logged_address_comes_from_the_connection_and_not_from_headers(
    app: FastAPI, lines: Lines
) -> None:
    """The server accepts client addresses from trusted proxies only, before this log is written."""
    for client in (("2001:db8::1", 1), ("/run/socket", 0), None):
        transport = httpx.ASGITransport(app, client=client)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as caller:
            await caller.get(ROUTE, headers={"X-Forwarded-For": "192.0.2.9", "X-Real-IP": "192.0.2.9"})
    assert [each["address"] for each in lines()] == ["2001:db8::1", "/run/socket", ""]


class TestLogs:
    """At the most detailed level no log line has a secret, a hash, a header or a search term."""

    CANARY = "Zq7CanaryXw9"

    @contextmanager
    def _nothing_leaks(self, caplog: pytest.LogCaptureFixture, *private: str) -> Iterator[None]:
        """Capture all logs except those of the test's own client."""
        caplog.set_level(logging.DEBUG)
        yield
        logging.getLogger("fluent_cart.anything").debug("this is caught")
        lines = [
            caplog.handler.format(record)
            for record in caplog.records
            if not record.name.startswith(("httpx", "httpcore"))
        ]
        assert any("this is caught" in line for line in lines)
        for text in private:
            assert [line for line in lines if text in line] == []

    @staticmethod
    def _private(name: str, secret: str) -> tuple[str, ...]:
        header = basic(f"{name}:{secret}")["Authorization"].removeprefix("Basic ")
        return secret, application_passwords.normalize(secret), application_passwords.digest(secret), header

    async def test_logs_of_success_have_no_secret(
        self, make_customer: MakeCustomer, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        await make_customer(email="ann@example.com", first_name=self.CANARY)
        header = basic(f"manager:{secret_of('manager')}")
        with self._nothing_leaks(caplog, self.CANARY, *self._private("manager", secret_of("manager"))):
            found = await anonymous.get(f"?search={self.CANARY}&filters[status]=active", headers=header)
            assert found.json()["data"]["customers"][0]["first_name"] == self.CANARY
            changed = await anonymous.put("/1", json={"phone": self.CANARY}, headers=header)
            assert_signed_in(changed)

    async def test_logs_of_refusals_have_no_secret(
        self, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = f"{self.CANARY} wrong secret"
        with self._nothing_leaks(caplog, self.CANARY, *self._private("worker", wrong)):
            for name in ("worker", "unknown", f"{self.CANARY}@shop.example"):
                answer = await anonymous.get(f"?search={self.CANARY}", headers=basic(f"{name}:{wrong}"))
                assert_refused(answer)

    async def test_logs_of_input_errors_have_no_secret(
        self, manager: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with self._nothing_leaks(caplog, self.CANARY):
            answer = await manager.post("", json={"email": self.CANARY, "status": self.CANARY})
            assert_error(answer, 422, "validation_error")

    async def test_logs_of_legacy_passwords_have_no_secret(
        self, database: Database, client_of: MakeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        with self._nothing_leaks(caplog, LEGACY_HASH, *self._private("legacy", LEGACY_SECRET)):
            async with client_of(httpx.BasicAuth("legacy", LEGACY_SECRET)) as client:
                assert_signed_in(await client.get(""))

    async def test_logs_of_a_shared_hash_have_no_secret(
        self, database: Database, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Imported users may have chosen the same password. Each signs in, and keeps its own hash."""
        for name in ("legacy", "clone"):
            await database.write(store_user, name)
            await database.write(store_hash, name, quick_legacy_hash(LEGACY_SECRET))
        with self._nothing_leaks(caplog, application_passwords.digest(LEGACY_SECRET)):
            for name in ("legacy", "clone", "legacy"):
                assert_signed_in(await anonymous.get("", headers=basic(f"{name}:{LEGACY_SECRET}")))

    async def test_logs_and_database_have_no_secret_after_logins(
        self, app: FastAPI, database: Database, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Guarantee A13: no password, cookie or nonce is in a log. The database has only hashes."""
        password = f"{self.CANARY} login password"
        await database.write(users.set_password, "worker", login_passwords.hash_password(password))
        with self._nothing_leaks(caplog, self.CANARY):
            wrong = f"wrong {password}"
            for name, secret in [("worker", wrong), (f"{self.CANARY}@a.b", wrong), ("worker", password)]:
                answer = await sign_in(anonymous, name, secret)
                # The form keeps the name.
                assert self.CANARY not in answer.text.replace(f'value="{self.CANARY}@a.b"', "")
        cookie, nonce = anonymous.cookies[session_cookies.NAME], await make_nonce(anonymous)
        [token, signature] = unquote(cookie).split("|")[2:]
        # Also in the earlier log lines.
        with self._nothing_leaks(caplog, cookie, token, signature, nonce):
            for query, headers in [
                ("", with_nonce(nonce)), (f"?_wpnonce={nonce}", {}), (f"?_wpnonce={nonce}&page=0", {}),
                (f"?_wpnonce={nonce[:-1]}", {}), ("", {}),
            ]:  # fmt: skip
                answer = await anonymous.get(query, headers=headers)
                assert not any(text in answer.text for text in (cookie, token, signature, nonce))
            stored = await database.scan(lambda c: [rows(c, table) for table in (Session, User)])
            assert not any(text in str(stored) for text in (self.CANARY, cookie, token, signature, nonce))
            await anonymous.get(f"{LOGIN}?action=logout&_wpnonce={nonce}")

    async def test_logs_of_an_unexpected_error_have_no_secret(
        self, manager: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A unit of work that fails with an unexpected error of the database."""

        def insert_half(connection: Connection, *_: object) -> None:
            connection.execute(insert(Customer), {"email": self.CANARY, "additional_info": {}})

        monkeypatch.setattr(customers, "create_customer", insert_half)
        with self._nothing_leaks(caplog, self.CANARY, *self._private("manager", secret_of("manager"))):
            answer = await manager.post("", json={"email": f"{self.CANARY}@example.com"})
            assert_error(answer, 500, "internal_error")
        [logged] = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert logged.getMessage() == f"Unexpected error in request {answer.headers['x-request-id']}"
        assert logged.exc_info


async def test_erasure_is_logged_as_one_line_with_the_id_and_without_personal_data(
    lines: Lines, manager: httpx.AsyncClient, make_customer: MakeCustomer
) -> None:
    await make_customer(email="ann@example.com", first_name="Ann")
    assert_error(await manager.post("/999/erase"), 404, "customer_not_found")
    assert lines() == []
    await manager.post("/1/erase", headers={"X-Request-Id": "mine"})
    assert lines() == [
        {
            "event": "privacy", "outcome": "erased", "account": "manager",
            "route": f"POST {ROUTE}/{{customerId}}/erase", "address": "127.0.0.1", "request_id": "mine",
            "customer_id": 1,
        }
    ]  # fmt: skip
