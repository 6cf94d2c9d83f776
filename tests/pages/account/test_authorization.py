"""An application requests an application password in WordPress' flow, from the page to the redirect."""

import re
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import login_passwords
from fluent_cart.services import users
from fluent_cart.services.application_passwords import list_application_passwords
from tests.conftest import MakeClient, login_password_of, rows
from tests.support.login import LOGIN, SITE, assert_signed_in, sign_in
from tests.support.pages import AUTHORIZE, PROFILE, assert_form_error, fields_of, nonce_in, secret_in, text_of

APP_ID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
SUCCESS, REJECT = "https://app.example/in?state=1", "https://app.example/out"
ASKED = {"app_name": "My App", "app_id": APP_ID, "success_url": SUCCESS}


async def made(database: Database) -> list[str]:
    """Return the names of the worker's application passwords, without the one of all tests."""
    found = await database.scan(list_application_passwords, "worker")
    return [each["name"] for each in found if each["name"] != "test"]


async def decide(
    client: httpx.AsyncClient, decision: str, asked: dict[str, str], **more: str
) -> httpx.Response:
    """Open the page of an application's request, and press a button."""
    page = await client.get(AUTHORIZE, params=asked)
    assert page.status_code == 200
    return await client.post(AUTHORIZE, data={**fields_of(page), decision: "1", **more})


class TestQuestion:
    async def test_authorization_page_names_account_application_and_callbacks(
        self, visitor: httpx.AsyncClient
    ) -> None:
        page = await visitor.get(AUTHORIZE, params={**ASKED, "reject_url": REJECT})
        shown = text_of(page)
        assert "An application would like to connect to the account worker ." in shown
        assert "Would you like to give the application My App access to your account?" in shown
        assert shown.count("You will be sent to https://app.example/in") == 1
        assert shown.count("You will be sent to https://app.example/out") == 1
        assert fields_of(page) == {
            "_wpnonce": nonce_in(page), "action": "authorize_application_password",
            **ASKED, "reject_url": REJECT,
        }  # fmt: skip
        policy = page.headers["content-security-policy"]
        assert "; form-action 'self' https:; " in policy

    async def test_authorization_page_needs_no_parameters(self, visitor: httpx.AsyncClient) -> None:
        page = await visitor.get(AUTHORIZE)
        assert page.status_code == 200
        assert "You will get a password to type into the application." in text_of(page)
        assert "; form-action 'self'; " in page.headers["content-security-policy"]

    async def test_application_name_is_escaped_and_in_one_line(self, visitor: httpx.AsyncClient) -> None:
        name = '"><script>alert(1)</script>\u202e\n\0x'
        page = await visitor.get(AUTHORIZE, params={"app_name": name})
        assert "<script" not in page.text
        assert not {"\u202e", "\0"} & set(page.text)
        assert "<bdi>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt; x</bdi>" in page.text

    async def test_authorization_page_redirects_to_the_login_form_first(
        self, stranger: httpx.AsyncClient
    ) -> None:
        asked = {**ASKED, "app_name": "M\u00fc & App"}
        moved = await stranger.get(AUTHORIZE, params=asked)
        assert moved.status_code == 302
        target = parse_qs(urlsplit(moved.headers["location"]).query)["redirect_to"][0]
        signed_in = await sign_in(stranger, "worker", login_password_of("worker"), redirect_to=target)
        assert signed_in.headers["location"] == target
        page = await stranger.get(target)
        assert {name: fields_of(page)[name] for name in asked} == asked

    @pytest.mark.parametrize("parameter", ["success_url", "reject_url"])
    @pytest.mark.parametrize(
        "address", ["javascript:alert(1)", "data:text/html,<b>evil", "http://evil.example/", "//evil.example"]
    )
    async def test_authorization_with_an_invalid_callback_is_rejected(
        self, visitor: httpx.AsyncClient, database: Database, parameter: str, address: str
    ) -> None:
        fields = {**ASKED, parameter: address}
        nonce = nonce_in(await visitor.get(AUTHORIZE))
        for response in (
            await visitor.get(AUTHORIZE, params=fields),
            await visitor.post(AUTHORIZE, data={**fields, "_wpnonce": nonce, "approve": "1"}),
            await visitor.post(AUTHORIZE, data={**fields, "_wpnonce": nonce, "reject": "1"}),
        ):
            assert response.status_code == 422
            assert f"application's {parameter} is not " in text_of(response)
            assert address not in response.text
            assert "<form" not in response.text
        assert await made(database) == []

    @pytest.mark.parametrize("app_id", ["x", APP_ID[:-1], f"{{{APP_ID}}}", APP_ID.replace("-", "")])
    async def test_authorization_with_an_invalid_uuid_is_rejected(
        self, visitor: httpx.AsyncClient, app_id: str
    ) -> None:
        response = await visitor.get(AUTHORIZE, params={**ASKED, "app_id": app_id})
        assert response.status_code == 422
        assert "application's app_id is not a UUID" in text_of(response)


class TestApproval:
    async def test_approval_redirects_to_the_application_with_a_working_password(
        self, visitor: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        response = await decide(visitor, "approve", ASKED)
        assert (response.status_code, response.text) == (302, "")
        location = urlsplit(response.headers["location"])
        assert f"{location.scheme}://{location.netloc}{location.path}" == "https://app.example/in"
        values = dict(parse_qsl(location.query))
        assert list(values) == ["state", "site_url", "user_login", "password"]
        assert {**values, "password": ""} == {
            "state": "1", "site_url": SITE, "user_login": "worker", "password": "",
        }  # fmt: skip
        assert re.fullmatch("[A-Za-z0-9]{24}", values["password"])
        assert await made(database) == ["My App"]
        async with client_of(httpx.BasicAuth(values["user_login"], values["password"])) as application:
            assert_signed_in(await application.get(""))

    async def test_approval_redirects_to_the_scheme_of_a_phone_application(
        self, visitor: httpx.AsyncClient
    ) -> None:
        response = await decide(visitor, "approve", {"app_name": "Phone", "success_url": "my.app://in"})
        assert response.headers["location"].startswith("my.app://in?site_url=http%3A%2F%2Fshop.example&")

    async def test_approval_encodes_the_login_in_the_callback(
        self, client_of: MakeClient, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        login = "a&b=c d+\u00fc"
        password_hash = login_passwords.hash_password("a password")
        await database.write(users.create_user, login, "abc@shop.example", "ABC", "worker", password_hash)
        async with client_of(prefix="") as client:
            await sign_in(client, login, "a password")
            response = await decide(client, "approve", ASKED)
        assert parse_qs(urlsplit(response.headers["location"]).query)["user_login"] == [login]

    async def test_approval_without_an_address_shows_the_password_once(
        self, visitor: httpx.AsyncClient, client_of: MakeClient
    ) -> None:
        page = await decide(visitor, "approve", {"app_name": "My App"})
        assert page.status_code == 200
        assert "Type it into the application, with the user name worker ." in text_of(page)
        async with client_of(httpx.BasicAuth("worker", secret_in(page))) as application:
            assert_signed_in(await application.get(""))

    async def test_approval_can_change_the_name_of_the_password(
        self, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        await decide(visitor, "approve", ASKED, app_name="On my phone")
        assert await made(database) == ["On my phone"]

    @pytest.mark.parametrize("name", ["", " ", "x" * 256])
    async def test_approval_needs_a_name(
        self, visitor: httpx.AsyncClient, database: Database, name: str
    ) -> None:
        response = await decide(visitor, "approve", ASKED, app_name=name)
        assert_form_error(
            response, 422, "The name of an application password has 1 to 255 characters", "app_name"
        )
        assert fields_of(response)["success_url"] == SUCCESS
        assert await made(database) == []

    @pytest.mark.parametrize("nonce", ["", "0123456789"])
    async def test_approval_needs_the_nonce_of_the_session(
        self, visitor: httpx.AsyncClient, database: Database, nonce: str
    ) -> None:
        response = await decide(visitor, "approve", ASKED, _wpnonce=nonce)
        assert_form_error(response, 403, "This page was open for too long. Decide again")
        assert await made(database) == []
        again = await visitor.post(AUTHORIZE, data={**fields_of(response), "approve": "1"})
        assert again.headers["location"].startswith("https://app.example/in?")

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://app.example"}])
    async def test_approval_by_a_form_of_another_site_is_rejected(
        self, visitor: httpx.AsyncClient, database: Database, headers: dict[str, str]
    ) -> None:
        """Of the application itself, which knows all fields but the nonce, and even with it."""
        page = await visitor.get(AUTHORIZE, params=ASKED)
        fields = {**fields_of(page), "approve": "1"}
        response = await visitor.post(AUTHORIZE, data=fields, headers=headers)
        assert response.status_code == 403
        assert await made(database) == []

    async def test_approval_after_the_session_ended_redirects_to_the_login_form(
        self, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        page = await visitor.get(AUTHORIZE, params=ASKED)
        await database.write(users.sign_out, "worker")
        before = len(await database.scan(rows, ApplicationPassword))
        response = await visitor.post(AUTHORIZE, data={**fields_of(page), "approve": "1"})
        asked = {**ASKED, "reject_url": f"{SUCCESS}&success=false"}
        target = f"{AUTHORIZE}?{urlencode(asked)}"
        assert response.headers["location"] == f"/wp-login.php?{urlencode({'redirect_to': target})}"
        assert len(await database.scan(rows, ApplicationPassword)) == before


class TestRefusal:
    @pytest.mark.parametrize(
        ("asked", "location"),
        [
            (ASKED, f"{SUCCESS}&success=false"),
            ({"success_url": "my.app://in"}, "my.app://in?success=false"),
            ({**ASKED, "reject_url": REJECT}, REJECT),
            ({"reject_url": REJECT}, REJECT),
            ({"app_name": "My App"}, PROFILE),
        ],
    )
    async def test_refusal_redirects_to_the_application_without_a_password(
        self, visitor: httpx.AsyncClient, database: Database, asked: dict[str, str], location: str
    ) -> None:
        response = await decide(visitor, "reject", asked)
        assert (response.status_code, response.headers["location"]) == (302, location)
        assert await made(database) == []

    async def test_form_without_a_decision_counts_as_a_refusal(
        self, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        response = await decide(visitor, "something", ASKED)
        assert response.headers["location"] == f"{SUCCESS}&success=false"
        assert await made(database) == []


async def test_index_has_the_address_of_the_authorization_page(stranger: httpx.AsyncClient) -> None:
    """By which applications find it."""
    index = (await stranger.get("/wp-json/")).json()
    address = index["authentication"]["application-passwords"]["endpoints"]["authorization"]
    assert address == f"{SITE}{AUTHORIZE}"
    response = await stranger.get(address, params=ASKED)
    assert response.headers["location"].startswith(LOGIN.removeprefix(SITE))
