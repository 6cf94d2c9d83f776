"""/wp/v2/users/me.

See docs/decisions.md#71-profile-of-a-user.
"""

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.enums import Context
from fluent_cart.errors import AuthenticationFailed
from fluent_cart.services import users
from fluent_cart.services.user_profile import get_profile, slug
from tests.conftest import ROLES, MakeClient, credentials
from tests.contract.test_examples import TIME
from tests.support.errors import assert_error

PATH = "/wp-json/wp/v2/users/me"
VIEW, EVERYTHING = ["customers/view"], ["customers/view", "customers/manage", "customers/delete"]


class TestProfile:
    @pytest.mark.parametrize("role", ROLES)
    async def test_profile_is_returned_to_every_user(self, client_of: MakeClient, role: str) -> None:
        async with client_of(credentials(role), prefix="") as client:
            profile = (await client.get(PATH)).json()
        number = ROLES.index(role) + 1
        assert profile == {
            "id": number, "name": role.title(), "url": "", "description": "", "slug": role,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("role", "held"),
        [
            ("administrator", [*EVERYTHING, "server/operate", "users/list"]),
            ("manager", EVERYTHING),
            ("worker", VIEW),
            ("subscriber", []),
        ],
    )
    async def test_profile_for_editing_has_role_and_capabilities(
        self, client_of: MakeClient, role: str, held: list[str]
    ) -> None:
        async with client_of(credentials(role), prefix="") as client:
            profile = (await client.get(f"{PATH}?context=edit")).json()
        assert TIME.fullmatch(profile.pop("registered_date"))
        assert {name: profile[name] for name in list(profile)[5:]} == {
            "username": role,
            "email": f"{role}@shop.example",
            "roles": [role],
            "capabilities": dict.fromkeys([*held, role], True),
            "extra_capabilities": {role: True},
        }

    @pytest.mark.parametrize("context", ["view", "embed"])
    async def test_profile_in_other_contexts_has_neither_address_nor_role(
        self, client_of: MakeClient, context: str
    ) -> None:
        async with client_of(credentials("manager"), prefix="") as client:
            answer = await client.get(f"{PATH}?context={context}")
            assert answer.content == (await client.get(PATH)).content
        assert "@" not in answer.text

    async def test_profile_of_an_unknown_context_is_rejected(self, client_of: MakeClient) -> None:
        async with client_of(credentials("manager"), prefix="") as client:
            assert_error(await client.get(f"{PATH}?context=all"), 422, "validation_error")

    async def test_profile_can_be_limited_to_fields(self, client_of: MakeClient) -> None:
        async with client_of(credentials("worker"), prefix="") as client:
            answer = await client.get(f"{PATH}?context=edit&_fields=id,capabilities.worker")
        assert answer.json() == {"id": 4, "capabilities": {"worker": True}}

    async def test_profile_needs_credentials(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            assert_error(await client.get(PATH), 401, "authentication_required")
        async with client_of(httpx.BasicAuth("manager", "wrong"), prefix="") as client:
            assert_error(await client.get(PATH), 401, "authentication_failed")

    async def test_profile_of_a_deleted_user_is_401(self, database: Database) -> None:
        await database.write(users.delete_user, "worker")
        with pytest.raises(AuthenticationFailed):
            await database.read(get_profile, 4, Context.VIEW, [])


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("ada", "ada"),
        ("Ada Lovelace", "ada-lovelace"),
        ("ada@shop.example", "ada-shop-example"),
        (" x! ", "x"),
    ],
)
def test_slugs_are_as_in_addresses(login: str, expected: str) -> None:
    assert slug(login) == expected
