"""Signing in and out by form: the responses, the equality of refusals, and the end of sessions."""

import random
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from fluent_cart.app import create_app
from fluent_cart.auth.limits import FailedLoginLimiter, HashQueue, RateLimiter
from fluent_cart.database import Database
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.models import Session, User
from fluent_cart.security import login_passwords, session_cookies
from fluent_cart.services import sessions, users
from fluent_cart.services.application_passwords import create_application_password
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX, PROFILE
from tests.conftest import MakeClient, credentials, login_password_of, rows
from tests.support.errors import assert_error
from tests.support.login import (
    LOGIN,
    NONCE,
    SITE,
    OnSQLite,
    assert_refused,
    assert_signed_in,
    basic,
    make_nonce,
    sign_in,
    store_user,
    with_nonce,
)

WORKER = login_password_of("worker")
LEGACY_PASSWORD, LEGACY_HASH = "old login p\u00e4ssword", "$P$BFdm7KZu0zOJFZBLMLzObu5NtHLd0d1"
WRONG = "The user name or the password is not correct"


@pytest.fixture
async def browser(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, as yet without any."""
    async with client_of() as client:
        yield client


async def set_hash(database: Database, login: str, password_hash: str | None) -> None:
    change = update(User).where(User.login == login).values(password_hash=password_hash)
    await database.write(lambda connection: connection.execute(change))


async def stored_hash(database: Database, login: str) -> str | None:
    found: str | None = await database.scan(
        lambda connection: connection.scalar(select(User.password_hash).where(User.login == login))
    )
    return found


def assert_wrong(response: httpx.Response, status: int = 403, text: str = WRONG) -> None:
    """The form again, with a text and without a cookie."""
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f'<p id="login_error" role="alert">{text}</p>' in response.text
    assert 'name="log"' in response.text
    assert "set-cookie" not in response.headers


class TestForm(OnSQLite):
    async def test_login_form_has_the_fields_of_wordpress(self, browser: httpx.AsyncClient) -> None:
        page = await browser.get(LOGIN)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert re.findall(r' name="(\w+)"', page.text) == [
            "viewport", "description", "log", "pwd", "rememberme", "redirect_to",
        ]  # fmt: skip
        for identifier in ("loginform", "user_login", "user_pass", "wp-submit"):
            assert f'id="{identifier}"' in page.text
        assert '<form id="loginform" action="/wp-login.php" method="post">' in page.text
        assert "login_error" not in page.text

    async def test_login_form_is_not_cached_and_not_framed(self, browser: httpx.AsyncClient) -> None:
        headers = (await browser.get(LOGIN)).headers
        assert headers["cache-control"] == "no-store, private"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]

    async def test_form_keeps_the_name_after_a_mistake_and_never_the_password(
        self, browser: httpx.AsyncClient
    ) -> None:
        response = await sign_in(browser, '"><b>ada', "wrong <b>secret")
        assert_wrong(response)
        assert ' name="log" value="&quot;&gt;&lt;b&gt;ada" ' in response.text
        assert "secret" not in response.text
        [focused] = re.findall(r'<input id="(\w+)"[^>]* autofocus', response.text)
        assert focused == "user_pass"
        assert "<title>Error: Sign in - " in response.text
        long = await sign_in(browser, "x" * 2000, "wrong")
        assert f' value="{"x" * 255}" ' in long.text

    async def test_login_form_ignores_a_name_that_another_site_sends(
        self, browser: httpx.AsyncClient
    ) -> None:
        fields, headers = {"log": "typed elsewhere", "pwd": "x"}, {"Sec-Fetch-Site": "cross-site"}
        assert "typed elsewhere" not in (await browser.post(LOGIN, data=fields, headers=headers)).text

    async def test_login_form_keeps_the_address_to_return_to(self, browser: httpx.AsyncClient) -> None:
        page = await browser.get(LOGIN, params={"redirect_to": '/docs?a="&b=<c>'})
        assert 'value="/docs?a=&quot;&amp;b=&lt;c&gt;"' in page.text
        page = await browser.get(LOGIN, params={"redirect_to": "//evil.example"})
        assert f'value="{PROFILE}"' in page.text

    async def test_login_form_begins_a_session(self, browser: httpx.AsyncClient, database: Database) -> None:
        response = await sign_in(browser, "worker", WORKER)
        assert (response.status_code, response.headers["location"], response.text) == (302, PROFILE, "")
        assert response.headers["cache-control"] == "no-store, private"
        [header] = response.headers.get_list("set-cookie")
        value, *attributes = header.split("; ")
        assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=lax"]
        assert value.startswith(f"{session_cookies.NAME}=worker%7C")
        expires = int(unquote(value).split("|")[1])
        assert abs(expires - time.time() - 2 * 24 * 3600) < 60
        assert len(await database.scan(rows, Session)) == 1

    async def test_sign_in_ends_the_older_session_of_the_browser(
        self, browser: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        async with client_of() as other:
            await sign_in(other, "worker", WORKER)
            await sign_in(browser, "worker", WORKER)
            older = {"Cookie": f"{session_cookies.NAME}={browser.cookies[session_cookies.NAME]}"}
            nonce = await make_nonce(browser)
            assert_wrong(await sign_in(browser, "manager", "wrong"))
            assert (await browser.get(NONCE)).status_code == 200, "a wrong password ends nothing"
            await sign_in(browser, "manager", login_password_of("manager"))
            assert (await browser.get(NONCE)).status_code == 200
            assert (await other.get(NONCE)).status_code == 200, "another browser keeps its session"
            assert_refused(
                await client_of().get("", headers={**older, **with_nonce(nonce)}), "authentication_required"
            )
        assert len(await database.scan(rows, Session)) == 2

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ],
    )
    async def test_form_of_another_site_is_rejected(
        self, browser: httpx.AsyncClient, database: Database, headers: dict[str, str]
    ) -> None:
        fields = {"log": "worker", "pwd": WORKER, "redirect_to": "/docs"}
        response = await browser.post(LOGIN, data=fields, headers=headers)
        text = "A page of another site sent this request. Send it from this site, or from a program"
        assert_wrong(response, 403, text)
        assert await database.scan(rows, Session) == []

    @pytest.mark.parametrize(
        "headers",
        [{"Sec-Fetch-Site": "same-origin", "Origin": SITE}, {"Origin": SITE}, {"Sec-Fetch-Site": "none"}],
    )
    async def test_form_of_this_site_begins_a_session(
        self, browser: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        response = await browser.post(LOGIN, data={"log": "worker", "pwd": WORKER}, headers=headers)
        assert response.status_code == 302

    async def test_login_with_remember_me_lasts_two_weeks(self, browser: httpx.AsyncClient) -> None:
        response = await sign_in(browser, "worker", WORKER, rememberme="forever")
        [header] = response.headers.get_list("set-cookie")
        value, *attributes = header.split("; ")
        assert sorted(attributes) == ["HttpOnly", f"Max-Age={14 * 24 * 3600}", "Path=/", "SameSite=lax"]
        assert abs(int(unquote(value).split("|")[1]) - time.time() - 14 * 24 * 3600) < 60

    async def test_login_over_tls_sets_a_secure_cookie(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client:
            response = await client.post("/wp-login.php", data={"log": "worker", "pwd": WORKER})
            assert "; Secure" in response.headers["set-cookie"]
            nonce = (await client.get("/wp-admin/admin-ajax.php?action=rest-nonce")).text
            out = await client.get(f"/wp-login.php?action=logout&_wpnonce={nonce}")
            assert "; Secure" in out.headers["set-cookie"]

    @pytest.mark.parametrize("name", ["worker", " WORKER\n", "Worker@shop.example"])
    @pytest.mark.parametrize("password", [WORKER, f" \t{WORKER}\r\n\0"])
    async def test_login_form_reads_names_and_passwords_as_wordpress(
        self, browser: httpx.AsyncClient, name: str, password: str
    ) -> None:
        assert (await sign_in(browser, name, password)).status_code == 302

    @pytest.mark.parametrize(
        "target",
        ["/", "/docs", "/docs?a=b#c", "/wp-admin/", f"{SITE}/docs", f"{SITE}/", "/%2f/evil.example", "/a//b"],
    )
    async def test_login_redirects_to_an_address_of_this_site(
        self, browser: httpx.AsyncClient, target: str
    ) -> None:
        response = await sign_in(browser, "worker", WORKER, redirect_to=target)
        assert response.headers["location"] == target

    @pytest.mark.parametrize(
        "target",
        [
            "", "docs", "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/",
            "http:evil.example", "javascript:alert(1)", f"{SITE}.evil.example/", f"{SITE}@evil.example/",
            f"{SITE}", f"{SITE}//evil.example", "https://shop.example/", "/a\\b", "/\t/evil.example",
            "/a\r\nSet-Cookie: a=b", " /docs", "/\u00e9", f"{SITE}:81/", "/docs\0",
        ],
    )  # fmt: skip
    async def test_login_does_not_redirect_to_another_site(
        self, browser: httpx.AsyncClient, target: str
    ) -> None:
        response = await sign_in(browser, "worker", WORKER, redirect_to=target)
        assert (response.status_code, response.headers["location"]) == (302, PROFILE)
        assert len(response.headers.get_list("set-cookie")) == 1


class TestRefusals(OnSQLite):
    """A rejected login learns nothing about the account."""

    async def test_failed_login_has_the_same_bytes_for_every_cause(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        await database.write(store_user, "without-password")
        for login, password_hash in [
            ("manager", "685a3fe4101db5ebeb230119fc505947"), ("accountant", "*"), ("subscriber", WORKER),
        ]:  # fmt: skip
            await set_hash(database, login, password_hash)
        secret = await database.write(create_application_password, "worker", "new")
        causes = [
            *((name, "wrong") for name in ("worker", "unknown", "worker@shop.example", "a@b.example")),
            ("without-password", ""), ("without-password", "wrong"), ("worker", ""), ("", WORKER), ("", ""),
            ("worker", secret), ("manager", "Kq3vZ)8w!mT&2hX(pL$7"), ("accountant", "*"),
            ("subscriber", WORKER), ("worker\0", WORKER), ("\0", "\0"), ("w\u00f6rker", WORKER),
            ("x" * 10_000, "x"), ("worker", "x" * 10_000), ("worker", WORKER.upper()),
        ]  # fmt: skip
        answers = []
        for name, password in causes:
            response = await browser.post(
                LOGIN, data={"log": name, "pwd": password}, headers={"X-Request-Id": "same"}
            )
            assert_wrong(response)
            # The form keeps the name, and has the focus in the first empty field.
            page = re.sub(' name="log" value="[^"]*"| autofocus', "", response.text)
            headers = [header for header in response.headers.multi_items() if header[0] != "content-length"]
            answers.append((page, headers))
        assert answers == [answers[0]] * len(causes)
        assert await database.scan(rows, Session) == []

    async def test_busy_database_returns_the_form_with_the_name(
        self, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ServiceUnavailable

        monkeypatch.setattr("fluent_cart.services.sessions.start_session", fail)
        response = await sign_in(browser, "worker", WORKER)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert ' value="worker" ' in response.text
        assert WORKER not in response.text

    async def test_form_over_16_kib_is_rejected(self, browser: httpx.AsyncClient) -> None:
        response = await browser.post(LOGIN, data={"log": "worker", "pwd": "x" * 16_384})
        assert response.status_code == 413

    async def test_login_with_a_body_that_is_not_a_form_is_rejected(self, browser: httpx.AsyncClient) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for content, headers, status, code in [
            (b'{"log": "worker"}', {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
            (b"", {}, 415, "unsupported_media_type"),
            (b"log=%ff&pwd=x", form, 400, "validation_error"),
            (b"log=\xff&pwd=x", form, 400, "validation_error"),
            (b"log=" + b"x" * 2**20, form, 413, "payload_too_large"),
        ]:
            assert_error(await browser.post(LOGIN, content=content, headers=headers), status, code)
        for content in (b"", b"log[]=worker&pwd[a]=b", b"pwd=x", b"log=worker"):
            assert_wrong(await browser.post(LOGIN, content=content, headers=form))

    async def test_login_is_429_after_ten_failures_from_one_address(
        self, app: FastAPI, browser: httpx.AsyncClient
    ) -> None:
        """Guarantee A10: from another address the right password still passes."""
        app.state.limits = app.state.limits._replace(failed_logins=FailedLoginLimiter(10))
        for n in range(10):
            assert_wrong(await sign_in(browser, f"unknown{n}", "wrong"))
        text = "Too many wrong passwords for this user name or from this address. Try again later"
        for password in ("wrong", WORKER):
            response = await sign_in(browser, "worker", password)
            assert_wrong(response, 429, text)
            assert 290 < int(response.headers["retry-after"]) <= 300
        elsewhere = httpx.ASGITransport(app, client=("198.51.100.7", 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url=SITE) as client:
            assert (await sign_in(client, "worker", WORKER)).status_code == 302

    async def test_login_is_429_after_ten_failures_for_one_name(self, app: FastAPI) -> None:
        """For known and unknown names. No user is locked out."""
        app.state.limits = app.state.limits._replace(failed_logins=FailedLoginLimiter(10))
        for n in range(22):
            transport = httpx.ASGITransport(app, client=(f"192.0.2.{n}", 1))
            async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
                name = ("worker", "unknown")[n % 2]
                assert (await sign_in(client, name, "wrong")).status_code == (403 if n < 20 else 429)
                if n == 21:
                    assert (await sign_in(client, "worker", WORKER)).status_code == 302

    async def test_login_is_429_if_too_many_wait_for_a_slow_hash(
        self, app: FastAPI, browser: httpx.AsyncClient
    ) -> None:
        busy = HashQueue()
        busy._pending = 9
        app.state.limits = app.state.limits._replace(hash_queue=busy)
        response = await sign_in(browser, "worker", WORKER)
        assert_wrong(response, 429, "Too many requests")
        assert response.headers["retry-after"] == "1"


class TestTiming(OnSQLite):
    """Guarantee A6: the time of a refusal does not depend on whether the name is known."""

    async def test_failed_login_takes_as_long_for_known_as_for_unknown_names(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        await database.write(store_user, "without-password")
        names = {"worker": "unknown", "without-password": "unknown"}
        for known, unknown in names.items():
            auc = [await self._auc(browser, known, unknown, 250)]
            # By chance it is off by 0.026 (standard error), so twice as many pairs decide.
            if not 0.42 <= auc[-1] <= 0.58:
                auc.append(await self._auc(browser, known, unknown, 500))
            assert 0.42 <= auc[-1] <= 0.58, (known, auc)

    @staticmethod
    async def _auc(client: httpx.AsyncClient, known: str, unknown: str, pairs: int) -> float:
        """Return the chance that a refusal takes longer for a known name than for an unknown one."""
        times: dict[str, list[float]] = {known: [], unknown: []}
        order = random.Random(5)
        for _ in range(pairs):
            for name in order.sample(sorted(times), 2):
                began = time.perf_counter_ns()
                await sign_in(client, name, "wrong")
                times[name].append(time.perf_counter_ns() - began)
        ranked = sorted((taken, name) for name, of_name in times.items() for taken in of_name)
        slower = sum(rank for rank, (_, name) in enumerate(ranked, start=1) if name == known)
        return (slower - pairs * (pairs + 1) / 2) / pairs**2


class TestOldHashes(OnSQLite):
    async def test_old_hash_is_replaced_at_login(
        self, browser: httpx.AsyncClient, database: Database
    ) -> None:
        await set_hash(database, "worker", LEGACY_HASH)
        assert_wrong(await sign_in(browser, "worker", "wrong"))
        assert await stored_hash(database, "worker") == LEGACY_HASH
        for _ in range(2):
            assert (await sign_in(browser, "worker", LEGACY_PASSWORD)).status_code == 302
            headers = with_nonce(await make_nonce(browser))
            assert_signed_in(await browser.get("", headers=headers))
            new = await stored_hash(database, "worker")
            assert new
            assert new.startswith("$wp$2y$04$")
        await browser.get(LOGIN)
        assert new == await stored_hash(database, "worker")

    async def test_cheaper_hash_is_replaced_and_more_expensive_one_stays(
        self, browser: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cheap = await stored_hash(database, "worker")
        monkeypatch.setattr(login_passwords, "COST", 5)
        assert (await sign_in(browser, "worker", WORKER)).status_code == 302
        dear = await stored_hash(database, "worker")
        assert dear != cheap
        monkeypatch.setattr(login_passwords, "COST", 4)
        assert (await sign_in(browser, "worker", WORKER)).status_code == 302
        assert await stored_hash(database, "worker") == dear

    async def test_hash_that_changes_during_its_check_does_not_sign_in(
        self, browser: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer is that to any wrong password."""
        monkeypatch.setattr(sessions, "start_session", lambda *_: None)
        assert_wrong(await sign_in(browser, "worker", WORKER))


class TestNonce(OnSQLite):
    async def test_nonce_is_returned_for_a_session(self, browser: httpx.AsyncClient) -> None:
        await sign_in(browser, "worker", WORKER)
        response = await browser.get(NONCE)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert re.fullmatch("[0-9a-f]{10}", response.text)
        assert (await browser.post(NONCE)).text == response.text
        assert_signed_in(await browser.get("", headers=with_nonce(response.text)))

    async def test_nonce_is_not_returned_without_a_session(self, browser: httpx.AsyncClient) -> None:
        for headers in ({}, basic("worker:wrong"), {"Cookie": f"{session_cookies.NAME}=worker%7C9%7Cx%7Cy"}):
            response = await browser.get(NONCE, headers=headers)
            assert (response.status_code, response.text) == (400, "0")
        async with httpx.AsyncClient(transport=browser._transport, auth=credentials("worker")) as client:
            assert (await client.get(NONCE)).status_code == 400, "an application password has no session"
        await sign_in(browser, "worker", WORKER)
        for query in ("", "?action=", "?action=other"):
            response = await browser.get(f"{SITE}/wp-admin/admin-ajax.php{query}")
            assert (response.status_code, response.text) == (400, "0")


class TestRequests(OnSQLite):
    """Requests of the API with the cookie, with and without nonces. All operations: contract."""

    @pytest.fixture
    async def nonce(self, browser: httpx.AsyncClient) -> str:
        await sign_in(browser, "worker", WORKER)
        return await make_nonce(browser)

    async def test_request_with_a_session_has_its_user(self, browser: httpx.AsyncClient, nonce: str) -> None:
        response = await browser.get("", headers=with_nonce(nonce))
        assert_signed_in(response)
        assert response.headers.get_list("x-wp-nonce") == [nonce]
        refused = await browser.post("", json={}, headers=with_nonce(nonce))
        assert_error(refused, 403, "insufficient_permissions")
        missing = await browser.get("/999", headers=with_nonce(nonce))
        assert (missing.status_code, missing.headers["x-wp-nonce"]) == (404, nonce)

    async def test_nonce_may_be_in_the_query(self, browser: httpx.AsyncClient, nonce: str) -> None:
        assert_signed_in(await browser.get("", params={"_wpnonce": nonce}))
        # As in WordPress, the query comes first.
        assert_signed_in(await browser.get("", params={"_wpnonce": nonce}, headers=with_nonce("x")))
        response = await browser.get("", params={"_wpnonce": "x"}, headers=with_nonce(nonce))
        assert_error(response, 403, "rest_cookie_invalid_nonce")

    async def test_request_with_cookie_and_nonce_needs_no_password(
        self, browser: httpx.AsyncClient, nonce: str
    ) -> None:
        """As in WordPress, the user of the cookie is the user of the request."""
        for auth in (credentials("manager"), httpx.BasicAuth("manager", "wrong")):
            response = await browser.post("", json={}, headers=with_nonce(nonce), auth=auth)
            assert_error(response, 403, "insufficient_permissions")

    async def test_request_without_a_nonce_may_have_a_password(
        self, browser: httpx.AsyncClient, nonce: str
    ) -> None:
        """A browser sends its cookie with every request of a page or a program."""
        response = await browser.get("", auth=credentials("manager"))
        assert_signed_in(response)
        assert "x-wp-nonce" not in response.headers
        assert_refused(await browser.get("", auth=httpx.BasicAuth("manager", "wrong")))
        assert_refused(await browser.get(""), "authentication_required")

    async def test_request_with_a_wrong_nonce_is_403(self, browser: httpx.AsyncClient, nonce: str) -> None:
        response = await browser.get("", headers=with_nonce("wrong"), auth=credentials("manager"))
        assert_error(response, 403, "rest_cookie_invalid_nonce")
        assert "x-wp-nonce" not in response.headers

    async def test_requests_of_a_session_count_for_its_user(
        self, app: FastAPI, browser: httpx.AsyncClient, nonce: str
    ) -> None:
        app.state.limits = app.state.limits._replace(requests=RateLimiter(1, clock=lambda: 60.0))
        for n in range(9):
            response = await browser.get("", headers=with_nonce(nonce))
            assert response.headers["x-ratelimit-remaining"] == str(9 - n)
        assert (await browser.get("", auth=credentials("worker"))).headers["x-ratelimit-remaining"] == "0"
        assert_error(await browser.get("", headers=with_nonce(nonce)), 429, "rate_limited")


class TestSigningOut(OnSQLite):
    LOGOUT = f"{LOGIN}?action=logout"

    async def test_logout_ends_the_session(self, browser: httpx.AsyncClient, database: Database) -> None:
        await sign_in(browser, "worker", WORKER)
        nonce, cookie = await make_nonce(browser), browser.cookies[session_cookies.NAME]
        response = await browser.get(f"{self.LOGOUT}&_wpnonce={nonce}")
        assert (response.status_code, response.headers["location"]) == (302, "/wp-login.php?loggedout=true")
        assert "Max-Age=0" in response.headers["set-cookie"]
        assert session_cookies.NAME not in browser.cookies
        assert await database.scan(rows, Session) == []
        assert "You are signed out." in (await browser.get(f"{LOGIN}?loggedout=true")).text
        # Kept by a thief, the cookie is worth nothing.
        headers = {"Cookie": f"{session_cookies.NAME}={cookie}", **with_nonce(nonce)}
        assert_refused(await browser.get("", headers=headers), "authentication_required")

    async def test_logout_keeps_other_sessions(
        self, browser: httpx.AsyncClient, client_of: MakeClient
    ) -> None:
        await sign_in(browser, "worker", WORKER)
        async with client_of() as other:
            await sign_in(other, "worker", WORKER)
            await browser.get(f"{self.LOGOUT}&_wpnonce={await make_nonce(browser)}")
            assert_signed_in(await other.get("", headers=with_nonce(await make_nonce(other))))

    async def test_logout_needs_a_nonce_of_the_session(
        self, browser: httpx.AsyncClient, client_of: MakeClient
    ) -> None:
        """A picture on any page could sign people out otherwise. They must confirm it, as in WordPress."""
        await sign_in(browser, "worker", WORKER)
        async with client_of() as other:
            await sign_in(other, "worker", WORKER)
            foreign = await make_nonce(other)
        for query in ("", "&_wpnonce=", "&_wpnonce=0123456789", f"&_wpnonce={foreign}"):
            response = await browser.get(self.LOGOUT + query)
            assert (response.status_code, "set-cookie" in response.headers) == (403, False)
        [link] = re.findall(r'href="(/wp-login[^"]+)"', response.text)
        assert (await browser.get(f"{SITE}{link.replace('&amp;', '&')}")).status_code == 302
        assert (await browser.get(NONCE)).status_code == 400

    async def test_logout_redirects_to_this_site_only(self, browser: httpx.AsyncClient) -> None:
        """Also for who is not signed in: there is nothing to end, but perhaps an old cookie to forget."""
        for target, location in [("/docs", "/docs"), ("//evil.example", "/wp-login.php?loggedout=true")]:
            response = await browser.get(self.LOGOUT, params={"action": "logout", "redirect_to": target})
            assert (response.status_code, response.headers["location"]) == (302, location)
            assert "Max-Age=0" in response.headers["set-cookie"]


class TestOtherProcesses:
    """Guarantee A7: a session that ends in one process ends in all processes."""

    @pytest.fixture
    async def elsewhere(self, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
        """A client of another application on the same shop."""
        app = create_app(settings.model_copy(update={"failed_login_limit": 0, "rate_limit": 0}))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=f"{SITE}{PREFIX}") as client,
        ):
            yield client

    @pytest.mark.parametrize("way", ["log out", "sign out", "password", "user", "role"])
    async def test_other_processes_see_a_session_end_at_once(
        self, database: Database, browser: httpx.AsyncClient, elsewhere: httpx.AsyncClient, way: str
    ) -> None:
        await sign_in(browser, "worker", WORKER)
        nonce = await make_nonce(browser)
        # It keeps them, even if the browser loses its own.
        elsewhere.headers["Cookie"] = f"{session_cookies.NAME}={browser.cookies[session_cookies.NAME]}"
        elsewhere.headers["X-WP-Nonce"] = nonce
        for _ in range(3):
            assert_signed_in(await elsewhere.get(""))
        match way:
            case "log out":
                out = await browser.get(f"{LOGIN}?action=logout&_wpnonce={nonce}")
                assert out.status_code == 302
            case "sign out":
                await database.write(users.sign_out, "worker")
            case "password":
                await database.write(users.set_password, "worker", login_passwords.hash_password("another"))
            case "user":
                await database.write(users.delete_user, "worker")
            case "role":
                await database.write(users.set_role, "worker", "subscriber")
        response = await elsewhere.get("")
        if way == "role":
            assert_error(response, 403, "insufficient_permissions")
        else:
            assert_refused(response, "authentication_required")
        if way == "password":
            assert_wrong(await sign_in(browser, "worker", WORKER))
            assert (await sign_in(browser, "worker", "another")).status_code == 302


async def test_request_with_a_password_has_no_session_look_up(
    app: FastAPI, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look-up, as before. A cookie without a nonce is not looked up."""

    def fails(*_arguments: object) -> Any:
        raise AssertionError("a session was looked for")

    async with client_of(credentials("worker")) as client:
        await sign_in(client, "worker", WORKER)
        monkeypatch.setattr(sessions, "find_session", fails)
        assert_signed_in(await client.get(""))
