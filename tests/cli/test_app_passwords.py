"""fluent-cart app-passwords: shown once, usable at once, refused at once when revoked."""

import re
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import httpx
import pytest

from fluent_cart.database import connect
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import application_passwords
from fluent_cart.settings import Settings
from tests.cli.conftest import Result, Run, complained, printed
from tests.conftest import MakeClient, credentials, rows, secret_of
from tests.support.errors import assert_error

Status = Callable[[str, str], Any]


def stored(url: str) -> list[dict[str, Any]]:
    with connect(url) as connection:
        return rows(connection, ApplicationPassword)


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings


class TestCreate:
    def test_create_prints_the_password_in_groups_of_four(self, run: Run, shop: str) -> None:
        made = run("app-passwords", "create", "worker", "--name", "My script")
        assert re.fullmatch(r"(?:[A-Za-z0-9]{4} ){5}[A-Za-z0-9]{4}\n", made.out)
        assert (made.code, made.err) == (0, "")
        password = stored(shop)[-1]
        assert password == {
            "id": 7,
            "user_id": 4,
            "name": "My script",
            "password_hash": application_passwords.digest(made.out),
            "created_at": password["created_at"],
            "last_used": None,
            "uuid": None,
        }

    def test_created_password_is_printed_once(self, run: Run, shop: str) -> None:
        """Only a hash is kept, so nothing can print it again."""
        secret = application_passwords.normalize(run("app-passwords", "create", "worker").out)
        listed = run("app-passwords", "list", "worker")
        for kept in (*map(str, stored(shop)), listed.out):
            assert secret not in application_passwords.normalize(kept)

    def test_create_makes_a_different_password_each_time(self, run: Run, shop: str) -> None:
        made = {run("app-passwords", "create", "worker").out for _ in range(5)}
        assert len(made) == 5
        assert [(row["user_id"], row["name"]) for row in stored(shop)[6:]] == [(4, "API")] * 5

    def test_create_password_rejects_an_unknown_user(self, run: Run, shop: str) -> None:
        before = stored(shop)
        assert run("app-passwords", "create", "nobody") == complained("There is no user 'nobody'")
        assert stored(shop) == before


class TestOverHTTP:
    """The server runs, with its connections open, while the command line changes the shop."""

    @pytest.fixture
    def command(self, run: Run, shop: str) -> Callable[..., Any]:
        """Run a command next to the event loop of the server."""

        async def command(*arguments: str) -> Result:
            return await anyio.to_thread.run_sync(lambda: run(*arguments))

        return command

    @staticmethod
    async def ask(client_of: MakeClient, login: str, secret: str) -> httpx.Response:
        async with client_of(httpx.BasicAuth(login, secret)) as client:
            return await client.get("")

    async def test_new_password_works_at_once_as_it_was_printed(
        self, client_of: MakeClient, command: Callable[..., Any]
    ) -> None:
        assert (await self.ask(client_of, "worker", secret_of("worker"))).status_code == 200
        shown = (await command("app-passwords", "create", "worker")).out.strip()
        for login in ("worker", "WORKER", "worker@shop.example"):
            for written in (shown, shown.replace(" ", ""), shown.replace(" ", "-")):
                assert (await self.ask(client_of, login, written)).status_code == 200
        assert_error(await self.ask(client_of, "manager", shown), 401, "authentication_failed")

    async def test_revoked_password_is_rejected_at_once_and_others_are_not(
        self, client_of: MakeClient, command: Callable[..., Any]
    ) -> None:
        shown = (await command("app-passwords", "create", "worker")).out
        assert (await self.ask(client_of, "worker", shown.strip())).status_code == 200
        assert await command("app-passwords", "revoke", "7") == printed(
            "Application password 7 is revoked.\n"
        )
        assert_error(await self.ask(client_of, "worker", shown.strip()), 401, "authentication_failed")
        assert (await self.ask(client_of, "worker", secret_of("worker"))).status_code == 200

    async def test_passwords_of_a_deleted_user_are_rejected_at_once(
        self, client_of: MakeClient, command: Callable[..., Any]
    ) -> None:
        await command("users", "delete", "worker")
        answer = await self.ask(client_of, "worker", secret_of("worker"))
        assert_error(answer, 401, "authentication_failed")

    async def test_new_role_counts_at_once(self, client_of: MakeClient, command: Callable[..., Any]) -> None:
        async with client_of(credentials("subscriber")) as client:
            assert_error(await client.get(""), 403, "insufficient_permissions")
            await command("users", "set-role", "subscriber", "worker")
            assert (await client.get("")).status_code == 200
            await command("users", "set-role", "subscriber", "editor")
            assert_error(await client.get(""), 403, "insufficient_permissions")

    async def test_new_user_signs_in_with_a_new_password(
        self, client_of: MakeClient, command: Callable[..., Any]
    ) -> None:
        await command("users", "create", "ada", "--email", "ada@example.com", "--role", "administrator")
        shown = (await command("app-passwords", "create", "ada")).out
        assert (await self.ask(client_of, "ada@example.com", shown.strip())).status_code == 200


class TestList:
    def test_list_shows_name_age_and_last_use_of_each(self, run: Run, shop: str) -> None:
        run("app-passwords", "create", "worker", "--name", "Büro")
        first, second = (row for row in stored(shop) if row["user_id"] == 4)
        assert run("app-passwords", "list", "Worker") == printed(
            "id  name  created_at            last_used\n"
            f"4   test  {first['created_at']}  {first['last_used']}\n"
            f"7   Büro  {second['created_at']}  never\n"
        )

    def test_list_of_no_rows_is_a_sentence(self, run: Run, shop: str) -> None:
        run("app-passwords", "revoke", "4")
        assert run("app-passwords", "list", "worker") == printed("There are no application passwords.\n")

    def test_list_of_passwords_rejects_an_unknown_user(self, run: Run, shop: str) -> None:
        assert run("app-passwords", "list", "nobody") == complained("There is no user 'nobody'")


class TestRevoke:
    def test_revoke_deletes_only_this_password(self, run: Run, shop: str) -> None:
        before = stored(shop)
        assert run("app-passwords", "revoke", "4") == printed("Application password 4 is revoked.\n")
        assert stored(shop) == [row for row in before if row["id"] != 4]

    @pytest.mark.parametrize("password_id", ["99", str(2**63 - 1)])
    def test_revoke_rejects_an_unknown_id(self, run: Run, shop: str, password_id: str) -> None:
        before = stored(shop)
        assert run("app-passwords", "revoke", password_id) == complained(
            f"There is no application password with ID {password_id}"
        )
        assert stored(shop) == before

    def test_revoke_rejects_a_revoked_id(self, run: Run, shop: str) -> None:
        run("app-passwords", "revoke", "4")
        assert run("app-passwords", "revoke", "4") == complained("There is no application password with ID 4")

    @pytest.mark.parametrize("password_id", ["0", "-1", "four", "", str(2**63), "9" * 30])
    def test_revoke_rejects_an_invalid_id(self, run: Run, shop: str, password_id: str) -> None:
        before = stored(shop)
        refused = run("app-passwords", "revoke", "--", password_id)
        assert (refused.code, refused.out) == (2, "")
        assert "Traceback" not in refused.err
        assert stored(shop) == before
