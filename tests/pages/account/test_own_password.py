"""The login password and the sessions in the account: changed, ended, and how guesses are bounded."""

import re
import time
from urllib.parse import unquote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from fluent_cart.auth.limits import FailedLoginLimiter, HashQueue
from fluent_cart.database import Database
from fluent_cart.models import ApplicationPassword, Session, User
from fluent_cart.security import session_cookies
from fluent_cart.services import sessions
from tests.conftest import MakeClient, login_password_of, rows, secret_of
from tests.support.login import LOGIN, SITE, sign_in
from tests.support.pages import PROFILE, assert_form_error, submit, text_of

CURRENT, NEW = login_password_of("worker"), "Kq3vZ)8w!mT&2hX"
FIELDS = {"current_password": CURRENT, "pass1": NEW, "pass2": NEW}
TOO_SHORT, TOO_LONG = "A login password has at least 8 characters", "A login password has at most 4096 bytes"


class TestPassword:
    async def test_new_password_signs_in_and_ends_other_sessions(
        self, visitor: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        async with client_of(prefix="") as other, client_of(prefix="") as fresh:
            await sign_in(other, "worker", CURRENT)
            older = visitor.cookies[session_cookies.NAME]
            response = await submit(visitor, "change_password", **FIELDS)
            assert (response.status_code, response.headers["location"]) == (
                302,
                f"{PROFILE}?updated=password",
            )
            assert "HttpOnly" in response.headers["set-cookie"]
            assert visitor.cookies[session_cookies.NAME] != older
            page = await visitor.get(response.headers["location"])
            assert "The login password is changed, and all other sessions are ended." in text_of(page)
            assert len(await database.scan(rows, Session)) == 1
            for cookie in (older, other.cookies[session_cookies.NAME]):
                headers = {"Cookie": f"{session_cookies.NAME}={cookie}"}
                assert (await fresh.get(PROFILE, headers=headers)).status_code == 302
            assert (await sign_in(fresh, "worker", CURRENT)).status_code == 403
            assert (await sign_in(fresh, "worker", NEW)).status_code == 302
        assert len(await database.scan(rows, ApplicationPassword)) == 6, "application passwords stay"

    @pytest.mark.parametrize(("remember", "days"), [({}, 2), ({"rememberme": "forever"}, 14)])
    async def test_new_session_is_as_long_as_the_one_before(
        self, stranger: httpx.AsyncClient, remember: dict[str, str], days: int
    ) -> None:
        await sign_in(stranger, "worker", CURRENT, **remember)
        response = await submit(stranger, "change_password", **FIELDS)
        [header] = response.headers.get_list("set-cookie")
        assert ("Max-Age" in header) == (days == 14)
        expires = int(unquote(header.split(";")[0]).split("|")[1])
        assert abs(expires - time.time() - days * 24 * 3600) < 60

    @pytest.mark.parametrize(
        ("change", "status", "text", "field"),
        [
            ({"current_password": "wrong"}, 403, "The current password is not correct", "current_password"),
            ({"current_password": ""}, 403, "The current password is not correct", "current_password"),
            ({"current_password": secret_of("worker")}, 403, "The current password is not correct",
             "current_password"),
            ({"pass2": NEW.lower()}, 422, "The new password and its repetition are not the same", "pass1"),
            ({"pass1": "short", "pass2": "short"}, 422, TOO_SHORT, "pass1"),
            ({"pass1": "Password123!", "pass2": "Password123!"}, 422,
             "This login password is one of the most common ones. Choose another one", "pass1"),
            ({"pass1": "x" * 4097, "pass2": "x" * 4097}, 422, TOO_LONG, "pass1"),
            ({"pass1": "", "pass2": ""}, 422, TOO_SHORT, "pass1"),
        ],
    )  # fmt: skip
    async def test_password_stays_if_a_field_is_wrong(
        self,
        visitor: httpx.AsyncClient,
        database: Database,
        change: dict[str, str],
        status: int,
        text: str,
        field: str,
    ) -> None:
        hashes = select(User.id, User.password_hash)
        before = await database.scan(lambda connection: connection.execute(hashes).all())
        response = await submit(visitor, "change_password", **{**FIELDS, **change})
        assert_form_error(response, status, text, field)
        assert "set-cookie" not in response.headers
        assert not any(typed in response.text for typed in (CURRENT, NEW, "Password123!"))
        assert await database.scan(lambda connection: connection.execute(hashes).all()) == before
        assert (await visitor.get(PROFILE)).status_code == 200, "the session goes on"

    async def test_wrong_current_password_counts_as_a_failed_login(
        self, app: FastAPI, visitor: httpx.AsyncClient
    ) -> None:
        app.state.limits = app.state.limits._replace(failed_logins=FailedLoginLimiter(10))
        for n in range(10):
            if n % 2:
                assert (await visitor.post(LOGIN, data={"log": "worker", "pwd": "x"})).status_code == 403
            else:
                wrong = {**FIELDS, "current_password": "wrong"}
                assert (await submit(visitor, "change_password", **wrong)).status_code == 403
        response = await submit(visitor, "change_password", **FIELDS)
        text = "Too many wrong passwords for this user name or from this address. Try again later"
        assert_form_error(response, 429, text, "current_password")
        assert 290 < int(response.headers["retry-after"]) <= 300
        assert (await visitor.get(PROFILE)).status_code == 200

    async def test_password_is_checked_in_the_queue_of_slow_hashes(
        self, app: FastAPI, visitor: httpx.AsyncClient
    ) -> None:
        busy = HashQueue()
        busy._pending = 9
        app.state.limits = app.state.limits._replace(hash_queue=busy)
        response = await submit(visitor, "change_password", **FIELDS)
        assert_form_error(response, 429, "Too many requests", "current_password")

    async def test_password_that_changed_during_its_check_is_rejected(
        self, visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sessions, "change_password", lambda *_: None)
        response = await submit(visitor, "change_password", **FIELDS)
        assert_form_error(response, 403, "The current password is not correct", "current_password")


class TestSessions:
    async def test_ending_other_sessions_keeps_this_session(
        self, visitor: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        async with client_of(prefix="") as other, client_of(prefix="") as stranger:
            await sign_in(other, "worker", CURRENT)
            await sign_in(stranger, "manager", login_password_of("manager"))
            page = text_of(await visitor.get(PROFILE))
            assert page.count("Signed in 2") == 2
            assert page.count("(this session)") == 1
            response = await submit(visitor, "end_other_sessions")
            assert response.headers["location"] == f"{PROFILE}?updated=sessions"
            assert (await other.get(PROFILE)).status_code == 302
            assert (await stranger.get(PROFILE)).status_code == 200, "of another user"
        assert text_of(await visitor.get(PROFILE)).count("Signed in 2") == 1
        assert len(await database.scan(rows, Session)) == 2

    async def test_account_page_signs_the_user_out(self, visitor: httpx.AsyncClient) -> None:
        page = await visitor.get(PROFILE)
        links = re.findall(r'href="\.\.(/wp-login\.php\?[^"]+)"', page.text)
        assert len(set(links)) == 1
        response = await visitor.get(f"{SITE}{links[0].replace('&amp;', '&')}")
        assert response.status_code == 302
        assert (await visitor.get(PROFILE)).status_code == 302
