"""The list of users and roles: whom it is for, its pages and its search."""

import re
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.services import users
from tests.conftest import ROLES, MakeClient, login_password_of
from tests.support.login import sign_in
from tests.support.pages import PROFILE, USERS, text_of


@pytest.fixture
async def administrator(client_of: MakeClient) -> httpx.AsyncClient:
    client = client_of(prefix="")
    await sign_in(client, "administrator", login_password_of("administrator"))
    return client


def logins_in(response: httpx.Response) -> list[str]:
    assert response.status_code == 200
    return re.findall(r'<th scope="row"><bdi>([^<]+)</bdi></th>', response.text)


@pytest.mark.parametrize("role", ROLES)
async def test_administrators_alone_see_the_users(client_of: MakeClient, role: str) -> None:
    async with client_of(prefix="") as client:
        await sign_in(client, role, login_password_of(role))
        response = await client.get(USERS)
        may = role in ("administrator", "super_admin")
        assert response.status_code == (200 if may else 403)
        assert ("manager@shop.example" in response.text) == may
        assert ('href="users.php"' in (await client.get(PROFILE)).text) == may


async def test_list_of_users_redirects_a_stranger_to_the_login_form(stranger: httpx.AsyncClient) -> None:
    response = await stranger.get(USERS, params={"s": "a b", "paged": "2"})
    location = f"/wp-login.php?{urlencode({'redirect_to': f'{USERS}?s=a+b&paged=2'})}"
    assert (response.status_code, response.headers["location"]) == (302, location)


async def test_list_of_users_shows_login_role_name_address_and_id(administrator: httpx.AsyncClient) -> None:
    page = await administrator.get(USERS)
    assert logins_in(page) == list(ROLES)
    assert "super_admin super_admin Super_Admin super_admin@shop.example 2" in text_of(page)
    assert "1 to 6 of 6" in text_of(page)
    assert "$wp" not in page.text


async def test_list_of_users_has_fifty_on_each_page(
    administrator: httpx.AsyncClient, database: Database
) -> None:
    def add(connection: Connection) -> None:
        for n in range(100):
            users.create_user(connection, f"user{n:03}", f"u{n}@x.example", "<b>Name", "subscriber")

    await database.write(add)
    first = await administrator.get(USERS)
    assert len(logins_in(first)) == 50
    assert "<b>Name" not in first.text
    assert re.findall(r'<a rel="(\w+)" href="([^"]+)"', first.text) == [("next", "users.php?paged=2")]
    second = await administrator.get(USERS, params={"s": "u", "paged": "2"})
    assert logins_in(second) == [f"user{n:03}" for n in range(47, 97)]
    assert re.findall(r'<a rel="(\w+)" href="([^"]+)"', second.text) == [
        ("prev", "users.php?s=u"),
        ("next", "users.php?s=u&amp;paged=3"),
    ]
    assert "51 to 100 of 103" in text_of(second)
    third = await administrator.get(USERS, params={"s": "u", "paged": "3"})
    assert len(logins_in(third)) == 3
    assert re.findall(r'<a rel="(\w+)"', third.text) == ["prev"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("MANAGER", ["manager"]),
        ("manager@shop", ["manager"]),
        ("5", ["accountant"]),
        ("admin", ["administrator", "super_admin"]),
        ("nobody", []),
        ("%", []),
        ("a\0dmin\u202e", ["administrator", "super_admin"]),
        ("  ", list(ROLES)),
    ],
)
async def test_search_finds_login_name_address_and_id(
    administrator: httpx.AsyncClient, search: str, found: list[str]
) -> None:
    assert logins_in(await administrator.get(USERS, params={"s": search})) == found


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "9" * 30, "\u0661"])
async def test_invalid_page_number_shows_the_first_page(
    administrator: httpx.AsyncClient, number: str
) -> None:
    assert logins_in(await administrator.get(USERS, params={"paged": number})) == list(ROLES)


async def test_page_past_the_end_of_the_users_says_that_it_does_not_exist(
    administrator: httpx.AsyncClient,
) -> None:
    page = await administrator.get(USERS, params={"paged": "999999999"})
    assert logins_in(page) == []
    assert "There is no such page." in text_of(page)


async def test_search_term_on_the_list_of_users_is_escaped(administrator: httpx.AsyncClient) -> None:
    page = await administrator.get(USERS, params={"s": '"><script>alert(1)</script>'})
    assert "<script" not in page.text
    assert 'value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in page.text
    assert "No user is found." in text_of(page)
