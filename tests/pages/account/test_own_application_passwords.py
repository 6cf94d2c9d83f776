"""Application passwords in the account: made and shown once, listed, revoked."""

import re

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.errors import AuthenticationFailed
from fluent_cart.models import ApplicationPassword
from fluent_cart.services.application_passwords import (
    add_application_password,
    list_application_passwords,
)
from tests.conftest import MakeClient, rows, secret_of
from tests.support.login import assert_signed_in
from tests.support.pages import PROFILE, assert_form_error, secret_in, submit, text_of


async def names(database: Database, login: str = "worker") -> list[str]:
    return [each["name"] for each in await database.scan(list_application_passwords, login)]


class TestApplicationPasswords:
    async def test_new_application_password_is_shown_once_and_signs_in(
        self, visitor: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        page = await submit(visitor, "make_application_password", name="  Nightly\t report\u202e ")
        secret = secret_in(page)
        assert re.fullmatch(r"(\w{4} ){5}\w{4}", secret)
        assert await names(database) == ["test", "Nightly report"]
        async with client_of(httpx.BasicAuth("worker", secret)) as program:
            assert_signed_in(await program.get(""))
        again = await visitor.get(PROFILE)
        assert secret not in again.text
        assert "Nightly report" in again.text
        stored = str(await database.scan(rows, ApplicationPassword))
        assert secret not in stored
        assert secret.replace(" ", "") not in stored

    @pytest.mark.parametrize("name", ["", " \t", "\u202e", "x" * 256])
    async def test_empty_or_too_long_name_of_an_application_password_is_rejected(
        self, visitor: httpx.AsyncClient, database: Database, name: str
    ) -> None:
        response = await submit(visitor, "make_application_password", name=name)
        assert_form_error(
            response, 422, "The name of an application password has 1 to 255 characters", "name"
        )
        assert await names(database) == ["test"]

    async def test_second_application_password_may_have_the_same_name(
        self, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        for _ in range(2):
            await submit(visitor, "make_application_password", name="test")
        assert await names(database) == ["test", "test", "test"]

    async def test_revoked_application_password_is_rejected_at_once(
        self, visitor: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        [own] = await database.scan(list_application_passwords, "worker")
        async with client_of(httpx.BasicAuth("worker", secret_of("worker"))) as program:
            assert_signed_in(await program.get(""))
            response = await submit(visitor, "revoke_application_password", id=str(own["id"]))
            assert (response.status_code, response.headers["location"]) == (302, f"{PROFILE}?updated=revoked")
            assert (await program.get("")).status_code == 401
        page = await visitor.get(response.headers["location"])
        assert 'role="status">The application password is revoked.</p>' in page.text
        assert "There are none yet." in text_of(page)

    @pytest.mark.parametrize("id_", ["another", "0", "-1", "", "x", "1_0", "\u0661", "9" * 30, "1 OR 1=1"])
    async def test_application_password_of_another_user_cannot_be_revoked(
        self, visitor: httpx.AsyncClient, database: Database, id_: str
    ) -> None:
        before = await database.scan(rows, ApplicationPassword)
        if id_ == "another":
            [other] = await database.scan(list_application_passwords, "manager")
            id_ = str(other["id"])
        assert (await submit(visitor, "revoke_application_password", id=id_)).status_code == 302
        assert await database.scan(rows, ApplicationPassword) == before

    async def test_all_application_passwords_of_one_user_are_revoked_at_once(
        self, visitor: httpx.AsyncClient, database: Database
    ) -> None:
        await submit(visitor, "make_application_password", name="second")
        response = await submit(visitor, "revoke_all_application_passwords")
        assert response.headers["location"] == f"{PROFILE}?updated=all-revoked"
        assert await names(database) == []
        assert await names(database, "manager") == ["test"]

    async def test_deleted_user_cannot_create_an_application_password(self, database: Database) -> None:
        with pytest.raises(AuthenticationFailed):
            await database.write(add_application_password, 999, "x")
