"""The user's own account: the page, the actions of its forms, and their refusals."""

import re

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.auth.limits import RateLimiter
from fluent_cart.database import Database
from fluent_cart.models import ApplicationPassword, Session, User
from fluent_cart.security import session_cookies
from fluent_cart.services import sessions, users
from fluent_cart.services.application_passwords import create_application_password
from tests.conftest import MakeClient, login_password_of, rows, secret_of
from tests.support.login import OnSQLite, basic, sign_in
from tests.support.pages import PROFILE, assert_form_error, nonce_in, submit, text_of

CURRENT, NEW = login_password_of("worker"), "Kq3vZ)8w!mT&2hX"
TO_PROFILE = f"/wp-login.php?redirect_to={PROFILE.replace('/', '%2F')}"


class TestPage:
    async def test_profile_shows_the_user_and_the_permissions_of_the_role(
        self, visitor: httpx.AsyncClient
    ) -> None:
        page = await visitor.get(PROFILE)
        assert page.status_code == 200
        shown = text_of(page)
        person = "User name worker Name Worker E-mail address worker@shop.example Role worker"
        assert f"Account {person} Allowed to view customers Application passwords" in shown
        assert re.search(
            r"test Made \d{4}-\d\d-\d\d \d\d:\d\d UTC , last used \d{4}-\d\d-\d\d Revoke test", shown
        )
        assert shown.count("(this session)") == 1
        assert "End all other sessions" not in shown, "there are none"
        assert "users.php" not in page.text, "only administrators see the users"

    async def test_profile_is_neither_cached_nor_framed(self, visitor: httpx.AsyncClient) -> None:
        headers = (await visitor.get(PROFILE)).headers
        assert headers["cache-control"] == "no-store, private"
        assert headers["referrer-policy"] == "same-origin"
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy.pop("style-src").startswith("'sha256-")
        assert policy == {
            "default-src": "'none'", "img-src": "'self'", "form-action": "'self'",
            "frame-ancestors": "'none'", "base-uri": "'none'",
        }  # fmt: skip

    async def test_role_without_permissions_is_named(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            await sign_in(client, "subscriber", login_password_of("subscriber"))
            assert "Role subscriber Allowed to do nothing here." in text_of(await client.get(PROFILE))

    async def test_names_on_the_profile_are_escaped(
        self, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        await database.write(create_application_password, "worker", "<script>alert(1)</script>\"'&")
        page = await visitor.get(PROFILE)
        assert "<script" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;" in page.text

    async def test_notice_on_the_profile_never_repeats_the_query(self, visitor: httpx.AsyncClient) -> None:
        page = await visitor.get(PROFILE, params={"updated": "<b>You were hacked</b>"})
        assert "hacked" not in page.text
        assert 'role="status"' not in page.text

    @pytest.mark.parametrize("path", ["/wp-admin", "/wp-admin/"])
    async def test_dashboard_leads_to_the_account(self, stranger: httpx.AsyncClient, path: str) -> None:
        response = await stranger.get(path)
        assert (response.status_code, response.headers["location"]) == (302, PROFILE)

    async def test_password_managers_find_the_form(self, stranger: httpx.AsyncClient) -> None:
        response = await stranger.get("/.well-known/change-password")
        assert (response.status_code, response.headers["location"]) == (302, f"{PROFILE}#password")


class TestSignIn:
    async def test_profile_without_a_session_redirects_to_the_login_form(
        self, stranger: httpx.AsyncClient
    ) -> None:
        response = await stranger.get(PROFILE)
        assert (response.status_code, response.headers["location"]) == (302, TO_PROFILE)
        page = await stranger.get(response.headers["location"])
        assert f'name="redirect_to" type="hidden" value="{PROFILE}"' in page.text
        answer = await sign_in(stranger, "worker", CURRENT, redirect_to=PROFILE)
        assert answer.headers["location"] == PROFILE
        assert (await stranger.get(PROFILE)).status_code == 200

    async def test_application_password_does_not_open_the_profile(self, stranger: httpx.AsyncClient) -> None:
        """A program's password must not be able to make others."""
        headers = basic(f"worker:{secret_of('worker')}")
        assert (await stranger.get(PROFILE, headers=headers)).headers["location"] == TO_PROFILE
        response = await stranger.post(PROFILE, data={"action": "revoke_all"}, headers=headers)
        assert response.headers["location"] == TO_PROFILE

    @pytest.mark.parametrize("way", ["signed out", "another password", "deleted"])
    async def test_ended_session_changes_nothing(
        self, visitor: httpx.AsyncClient, database: Database, way: str
    ) -> None:
        nonce = nonce_in(await visitor.get(PROFILE))
        match way:
            case "signed out":
                await database.write(users.sign_out, "worker")
            case "another password":
                await database.write(users.set_password, "worker", "$wp$2y$04$" + "." * 53)
            case "deleted":
                await database.write(users.delete_user, "worker")
        before = len(await database.scan(rows, ApplicationPassword))
        fields = {"_wpnonce": nonce, "action": "make_application_password", "name": "x"}
        response = await visitor.post(PROFILE, data=fields)
        assert (response.status_code, response.headers["location"]) == (302, TO_PROFILE)
        assert len(await database.scan(rows, ApplicationPassword)) == before

    async def test_user_deleted_while_the_request_runs_is_sent_to_the_form(
        self, visitor: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nonce = nonce_in(await visitor.get(PROFILE))
        find = sessions.find_session
        await database.write(users.set_role, "worker", "worker")
        session = await database.read(find, cookie_of(visitor))
        await database.write(users.delete_user, "worker")
        monkeypatch.setattr(sessions, "find_session", lambda *_: session)
        fields = {"_wpnonce": nonce, "action": "make_application_password", "name": "x"}
        for response in (await visitor.get(PROFILE), await visitor.post(PROFILE, data=fields)):
            assert (response.status_code, response.headers["location"]) == (302, TO_PROFILE)


def cookie_of(client: httpx.AsyncClient) -> session_cookies.Cookie:
    header = f"{session_cookies.NAME}={client.cookies[session_cookies.NAME]}"
    return session_cookies.read([(b"cookie", header.encode())]) or pytest.fail("no cookie")


FIELDS = {"name": "x", "id": "4", "current_password": CURRENT, "pass1": NEW, "pass2": NEW}


class TestForms(OnSQLite):
    """Rules for every form of the page."""

    ACTIONS = (
        "make_application_password",
        "revoke_application_password",
        "revoke_all_application_passwords",
        "change_password",
        "end_other_sessions",
    )

    async def snapshot(self, database: Database) -> list[object]:
        return [await database.scan(rows, table) for table in (ApplicationPassword, Session, User)]

    @pytest.mark.parametrize("action", ACTIONS)
    @pytest.mark.parametrize("nonce", ["", "0123456789", "foreign"])
    async def test_forms_without_the_nonce_of_the_session_change_nothing(
        self, visitor: httpx.AsyncClient, client_of: MakeClient, database: Database, action: str, nonce: str
    ) -> None:
        async with client_of(prefix="") as other:
            await sign_in(other, "worker", CURRENT)
            if nonce == "foreign":
                nonce = nonce_in(await other.get(PROFILE))
        before = await self.snapshot(database)
        response = await visitor.post(PROFILE, data={"_wpnonce": nonce, "action": action, **FIELDS})
        assert_form_error(response, 403, "This page was open for too long, so nothing was changed. Try again")
        assert await self.snapshot(database) == before
        assert nonce_in(response) == nonce_in(await visitor.get(PROFILE)), "the form works now"

    @pytest.mark.parametrize("action", ACTIONS)
    @pytest.mark.parametrize(
        "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}]
    )
    async def test_forms_of_another_site_change_nothing(
        self, visitor: httpx.AsyncClient, database: Database, action: str, headers: dict[str, str]
    ) -> None:
        """Even with a nonce."""
        fields = {"_wpnonce": nonce_in(await visitor.get(PROFILE)), "action": action, **FIELDS}
        before = await self.snapshot(database)
        response = await visitor.post(PROFILE, data=fields, headers=headers)
        assert response.status_code == 403
        assert "A page of another site sent this request." in text_of(response)
        assert await self.snapshot(database) == before

    async def test_forms_of_an_unknown_action_lead_to_the_account(self, visitor: httpx.AsyncClient) -> None:
        for action in ("", "drop_table"):
            response = await submit(visitor, action)
            assert (response.status_code, response.headers["location"]) == (302, PROFILE)

    async def test_faults_of_the_request_are_pages(self, visitor: httpx.AsyncClient) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for content, headers, status in [
            (b"{}", {"Content-Type": "application/json"}, 415),
            (b"a=%ff", form, 400),
            (b"a=" + b"x" * 16_384, form, 413),
        ]:
            response = await visitor.post(PROFILE, content=content, headers=headers)
            assert (response.status_code, response.headers["content-type"]) == (
                status,
                "text/html; charset=utf-8",
            )
            assert 'role="alert"' in response.text

    async def test_requests_are_taken_out_of_the_bucket_of_the_user(
        self, app: FastAPI, visitor: httpx.AsyncClient
    ) -> None:
        app.state.limits = app.state.limits._replace(requests=RateLimiter(1, clock=lambda: 60.0))
        for left in range(9, -1, -1):
            assert (await visitor.get(PROFILE)).headers["x-ratelimit-remaining"] == str(left)
        response = await visitor.get(PROFILE)
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        assert "Too many requests" in text_of(response)
