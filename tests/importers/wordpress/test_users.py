"""Users are imported with their roles and with the passwords of their programs."""

from typing import Any

import pytest
from sqlalchemy import delete, update

from fluent_cart.database import Database
from fluent_cart.database.prepared import Record
from fluent_cart.importers.wordpress.roles import SHOP_ROLES
from fluent_cart.models import ApplicationPassword, User
from fluent_cart.security import application_passwords
from fluent_cart.services import users
from fluent_cart.services.application_passwords import create_application_password
from fluent_cart.settings import Settings
from tests.conftest import rows
from tests.importers.wordpress.conftest import UPDATE, Import, counts, dump_of, handled, skipped

HASH = application_passwords.digest("one".ljust(24, "x"))
OTHER = application_passwords.digest("two".ljust(24, "x"))


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because this is decided before the database is used."""
    return sqlite_settings


def php(value: Any) -> str:
    """Return a value as PHP writes it."""
    if value is None:
        return "N;"
    if isinstance(value, bool):
        return f"b:{value:d};"
    if isinstance(value, int):
        return f"i:{value};"
    if isinstance(value, str):
        return f's:{len(value.encode())}:"{value}";'
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return f"a:{len(value)}:{{{''.join(php(key) + php(member) for key, member in pairs)}}}"


def meta(key: str, value: str, user_id: int = 1) -> dict[str, Any]:
    return {"user_id": user_id, "meta_key": key, "meta_value": value}


def password(name: str = "till", uuid: str = "u-1", password_hash: str = HASH) -> dict[str, Any]:
    return {"uuid": uuid, "app_id": "", "name": name, "password": password_hash, "created": 1795416762}


async def stored(database: Database) -> dict[int, Record]:
    return {row["id"]: row for row in await database.scan(rows, User)}


class TestUser:
    async def test_user_is_imported_with_all_fields(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            users=[
                {"id": 10, "user_login": "Jürgen", "user_email": "J@Example.com", "display_name": "Jürgen Ö"}
            ],
            usermeta=[meta("wp_capabilities", php({"editor": True}), 10), meta("nickname", "jurgen", 10)],
        )
        assert counts(report, "users") == (1, 1, 0, 0, 0, 0)
        assert counts(report, "usermeta") == (2, 1, 0, 0, 0, 1)
        assert await stored(empty) == {
            10: {
                "id": 10,
                "login": "Jürgen",
                "login_key": "jürgen",
                "email": "J@example.com",
                "email_key": "j@example.com",
                "display_name": "Jürgen Ö",
                "role": "editor",
                "password_hash": None,
                "search_text": "jurgen\nj@example.com\njurgen o\n",
                "created_at": "2024-01-01T10:00:00Z",
            }
        }

    async def test_odd_user_is_reported_with_its_issue(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            users=[
                {"user_login": "ann", "user_email": "a@example.com"},
                {"user_login": "ANN"},
                {"user_login": ""},
                {"user_login": "with:colon"},
                {"user_login": "bob", "user_email": "A@example.com", "display_name": ""},
                {"user_login": "eve", "user_email": ""},
            ],
            usermeta=[meta("wp_capabilities", php({"subscriber": True}), user_id) for user_id in range(1, 8)],
        )
        found = {row["login"]: (row["email"], row["display_name"]) for row in (await stored(empty)).values()}
        assert found == {
            "ann": ("a@example.com", "User"),
            "bob": ("A+5@example.com", "bob"),
            "eve": ("user-6@import.invalid", "User"),
        }
        assert skipped(report, "users") == {"login_taken": [2], "no_login": [3, 4]}
        assert handled(report, "users") == {"duplicate_email": [5], "invalid_email": [6]}
        assert skipped(report, "usermeta") == {"orphan": [2, 3, 4, 7]}

    async def test_user_with_a_taken_login_is_not_imported(self, run_import: Import, empty: Database) -> None:
        await empty.write(users.create_user, "Ann", "ann@example.com", "Ann", "administrator")
        report = await run_import(
            users=[{"id": 70, "user_login": "ann"}, {"id": 80}],
            usermeta=[meta("wp_capabilities", php({"editor": True}), i) for i in (70, 80)],
            fct_customers=[{"user_id": 70}],
            options=UPDATE,
        )
        assert skipped(report, "users") == {"login_taken": [70]}
        assert [row["role"] for row in (await stored(empty)).values()] == ["administrator", "editor"]
        assert handled(report, "customers") == {"stale_user": [1]}

    async def test_user_with_a_taken_id_is_not_imported(self, run_import: Import, empty: Database) -> None:
        user_id = await empty.write(users.create_user, "ada", "ada@example.com", "Ada", "administrator")
        report = await run_import(
            users=[{"id": user_id, "user_login": "admin"}],
            usermeta=[meta("_application_passwords", php([password()]), user_id)],
            options=UPDATE,
        )
        assert skipped(report, "users") == {"id_taken": [user_id]}
        assert skipped(report, "application_passwords") == {"orphan": [user_id]}
        assert [row["login"] for row in (await stored(empty)).values()] == ["ada"]
        assert await empty.scan(rows, ApplicationPassword) == []


class TestRole:
    @pytest.mark.parametrize(
        ("capabilities", "shop_role", "role", "issue"),
        [
            ({"administrator": True}, None, "administrator", None),
            ({"editor": True, "administrator": True}, "worker", "administrator", None),
            ({"administrator": False, "editor": True}, None, "editor", None),
            ({"subscriber": True, "fluent_cart_admin": True}, "worker", "worker", None),
            ({"fluent_cart_admin": True, "subscriber": True}, "", "subscriber", None),
            ({"subscriber": True}, "super_admin", "super_admin", None),
            ({"subscriber": True}, "administrator", "subscriber", "unknown_shop_role"),
            ({"subscriber": True}, "picker", "subscriber", "unknown_shop_role"),
            # Of another plugin, which knows nothing of the shop.
            *(({role: True}, None, f"wordpress_{role}", "role_name_taken") for role in sorted(SHOP_ROLES)),
            ({" administrator": True}, None, "wordpress_administrator", "role_name_taken"),
            ({"administrator": "0", "manager": 0, "editor": "1"}, None, "editor", None),
            ({}, None, "none", "unreadable_role"),
            ("text", None, "none", "unreadable_role"),
            ({"x" * 61: True}, None, "x" * 60, "text_cut"),
            ({"edi\0tor": True}, None, "editor", "unfit_text"),
        ],
    )
    async def test_imported_role_has_its_permissions(
        self,
        run_import: Import,
        empty: Database,
        capabilities: Any,
        shop_role: str | None,
        role: str,
        issue: str | None,
    ) -> None:
        report = await run_import(
            users=[{}],
            usermeta=[
                meta("wp_capabilities", php(capabilities)),
                # Of another site in the same network, and a second row that WordPress never looks at.
                meta("wp_2_capabilities", php({"administrator": True})),
                meta("wp_capabilities", php({"administrator": True})),
                *([] if shop_role is None else [meta("_fluent_cart_admin_role", shop_role)]),
            ],
        )
        assert (await stored(empty))[1]["role"] == role
        assert handled(report, "users") == ({issue: [1]} if issue else {})

    async def test_unreadable_role_has_no_permission(self, run_import: Import, empty: Database) -> None:
        report = await run_import(users=[{}], usermeta=[meta("wp_capabilities", 'O:8:"stdClass":0:{}')])
        assert (await stored(empty))[1]["role"] == "none"
        assert handled(report, "users") == {"unreadable_role": [1]}

    async def test_network_administrator_becomes_administrator(
        self, run_import: Import, empty: Database
    ) -> None:
        admins = {"meta_key": "site_admins", "meta_value": php(["user1"])}
        report = await run_import(
            users=[{}, {}],
            usermeta=[meta("wp_capabilities", php({"editor": True}), 2)],
            sitemeta=[{"meta_key": "other", "meta_value": php(["user2"])}, admins],
        )
        assert [row["role"] for row in (await stored(empty)).values()] == ["administrator", "editor"]
        assert handled(report, "users") == {}
        assert "sitemeta" not in report.tables

    @pytest.mark.parametrize(
        "usermeta",
        [
            [],
            [meta("wp_capabilities", "a:1:{broken")],
            [meta("other_capabilities", php({"editor": True}))],
        ],
        ids=["empty", "unreadable", "of another prefix"],
    )
    async def test_role_stays_if_the_source_names_none_that_can_be_read(
        self, run_import: Import, empty: Database, usermeta: list[dict[str, Any]]
    ) -> None:
        await run_import(users=[{}], usermeta=[meta("wp_capabilities", php({"administrator": True}))])
        await run_import(users=[{"display_name": "Changed"}], usermeta=usermeta, options=UPDATE)
        assert (await stored(empty))[1]["role"] == "administrator"
        assert (await stored(empty))[1]["display_name"] == "Changed"

    async def test_role_becomes_none_with_update_if_the_user_left_the_site(
        self, run_import: Import, empty: Database
    ) -> None:
        both = [meta("wp_capabilities", php({"editor": True}), user_id) for user_id in (1, 2)]
        await run_import(users=[{}, {}], usermeta=both)
        await run_import(users=[{}, {}], usermeta=both[1:], options=UPDATE)
        assert [row["role"] for row in (await stored(empty)).values()] == ["none", "editor"]

    @pytest.mark.parametrize("text", ["a:1:{broken", "text", None])
    async def test_network_administrator_stays_if_the_list_is_unreadable(
        self, run_import: Import, empty: Database, text: str | None
    ) -> None:
        roles = [meta("wp_capabilities", php({"editor": True}))]
        admins = {"meta_key": "site_admins", "meta_value": php(["user1"])}
        await run_import(users=[{}], usermeta=roles, sitemeta=[admins])
        again = dump_of(users=[{}], usermeta=roles, sitemeta=[{**admins, "meta_value": text}])
        if text is None:
            again = "\n".join(line for line in again.split("\n") if "sitemeta" not in line)
        report = await run_import(again, options=UPDATE)
        assert (await stored(empty))[1]["role"] == "administrator"
        assert report.missing_lists == ["wp_sitemeta, site_admins: the network's administrators"]


class TestBarredAccount:
    """A user who cannot sign in at the network cannot sign in here."""

    @pytest.mark.parametrize("column", ["spam", "deleted"])
    async def test_spam_account_is_imported_without_role_and_passwords(
        self, run_import: Import, empty: Database, column: str
    ) -> None:
        usermeta = [
            meta("wp_capabilities", php({"administrator": True})),
            meta("_application_passwords", php([password()])),
        ]
        user = {"user_pass": TestLoginPassword.OLD}
        barred = {**user, column: 1}
        report = await run_import(users=[barred], usermeta=usermeta)
        assert handled(report, "users") == {"barred_account": [1]}
        assert skipped(report, "application_passwords") == {"barred_password": [1]}
        found = (await stored(empty))[1]
        assert (found["role"], found["password_hash"]) == ("none", None)
        # And back and forth.
        for given, has_rights in ((user, True), (barred, False)):
            await run_import(users=[given], usermeta=usermeta, options=UPDATE)
            found = (await stored(empty))[1]
            assert (found["role"] == "administrator") is has_rights
            assert (found["password_hash"] is not None) is has_rights
            assert len(await empty.scan(rows, ApplicationPassword)) == has_rights


class TestLoginPassword:
    """The hash is imported if passwords can be checked against it here.

    See docs/decisions.md#54-imported-login-passwords.
    """

    HASH = "$wp$2y$10$xMQvZN3ef42/7CPmalCbGOc6AY6dFVrpZdfmAPZx0DdX4JNgiEOO6"
    OLD = "$P$BFdm7KZu0zOJFZBLMLzObu5NtHLd0d1"

    async def hashes(self, database: Database) -> list[str | None]:
        return [row["password_hash"] for row in (await stored(database)).values()]

    async def test_login_password_is_imported(self, run_import: Import, empty: Database) -> None:
        known = [self.HASH, self.OLD, self.HASH.removeprefix("$wp")]
        report = await run_import(users=[{"user_pass": each} for each in known])
        assert await self.hashes(empty) == known
        assert handled(report, "users") == {"unreadable_role": [1, 2, 3]}

    async def test_unknown_login_hash_is_reported(self, run_import: Import, empty: Database) -> None:
        unknown = ["5f4dcc3b5aa765d61d8327deb882cf99", "password", "*", self.HASH[:-1], f"{self.OLD}\0"]
        report = await run_import(users=[{"user_pass": each} for each in (*unknown, "", None)])
        assert await self.hashes(empty) == [None] * 7
        assert handled(report, "users")["unknown_login_hash"] == [1, 2, 3, 4, 5]

    async def test_changed_login_password_is_imported_with_update(
        self, run_import: Import, empty: Database
    ) -> None:
        await run_import(users=[{"user_pass": self.OLD}])
        report = await run_import(users=[{"user_pass": self.HASH}])
        assert counts(report, "users") == (1, 0, 0, 0, 1, 0)
        assert await self.hashes(empty) == [self.OLD]
        report = await run_import(users=[{"user_pass": self.HASH}], options=UPDATE)
        assert counts(report, "users") == (1, 0, 1, 0, 0, 0)
        assert await self.hashes(empty) == [self.HASH]

    async def test_login_password_of_this_shop_stays_if_the_source_has_none(
        self, run_import: Import, empty: Database
    ) -> None:
        await run_import(users=[{"user_pass": "*"}])
        await empty.write(users.set_password, "user1", self.HASH)
        report = await run_import(users=[{"user_pass": "*"}], options=UPDATE)
        assert counts(report, "users") == (1, 0, 0, 1, 0, 0)
        assert await self.hashes(empty) == [self.HASH]


class TestApplicationPassword:
    async def run_import(self, run_import: Import, *entries: Any, **options: Any) -> Any:
        return await run_import(
            users=[{}],
            usermeta=[
                meta("wp_capabilities", php({"editor": True})),
                meta("_application_passwords", php(list(entries))),
            ],
            **options,
        )

    async def stored(self, database: Database) -> list[tuple[Any, ...]]:
        found = await database.scan(rows, ApplicationPassword)
        return [(row["uuid"], row["name"], row["password_hash"]) for row in found]

    async def test_application_password_is_imported(self, run_import: Import, empty: Database) -> None:
        old = "$P$Bb9ZYqUD4FZumBLiaYb4n4eyHNkGH80"
        report = await self.run_import(run_import, password("Kässe"), password("old", "u-2", old))
        assert counts(report, "application_passwords") == (2, 2, 0, 0, 0, 0)
        assert await self.stored(empty) == [("u-1", "Kässe", HASH), ("u-2", "old", old)]
        [first, _] = await empty.scan(rows, ApplicationPassword)
        assert first["created_at"] == "2026-11-23T06:52:42Z"

    async def test_malformed_application_password_is_skipped(
        self, run_import: Import, empty: Database
    ) -> None:
        report = await self.run_import(
            run_import,
            {},
            "text",
            None,
            {**password(), "password": None},
            password(password_hash="$2y$10$nJfGHWkJTemxzYOB0FfmlO"),
            password(password_hash="plain"),
            password(password_hash="$P$\0"),
            password(),
            password("same uuid", password_hash=OTHER),
            password("same hash", "u-9"),
            {"password": OTHER, "created": "x", "uuid": "\0"},
        )
        reasons = report.tables["application_passwords"].skipped
        assert {issue.value: found.number for issue, found in reasons.items()} == {
            "unknown_hash": 7,
            "repeated": 2,
        }
        [(_, *first), (uuid, *last)] = await self.stored(empty)
        assert first == ["till", HASH]
        assert last == ["", OTHER]
        assert len(uuid) == 36

    async def test_unreadable_list_of_application_passwords_is_reported(
        self, run_import: Import, empty: Database
    ) -> None:
        report = await run_import(users=[{}], usermeta=[meta("_application_passwords", "a:1:{broken")])
        assert skipped(report, "application_passwords") == {"unreadable_list": [1]}

    @pytest.mark.parametrize(
        "text",
        [None, "a:1:{broken", php([{"uuid": "u-1", "password": "of no known kind"}]), php([None])],
        ids=["missing", "unreadable", "unknown hash", "no entry"],
    )
    async def test_application_password_stays_if_the_list_at_the_source_is_missing_or_unreadable(
        self, run_import: Import, empty: Database, text: str | None
    ) -> None:
        await self.run_import(run_import, password())
        lists = [meta("_application_passwords", text)] if text else []
        capabilities = meta("wp_capabilities", php({"editor": True}))
        report = await run_import(users=[{}], usermeta=[capabilities, *lists], options=UPDATE)
        assert (report.revoked, await self.stored(empty)) == (0, [("u-1", "till", HASH)])

    async def test_application_password_is_revoked_by_an_empty_list(
        self, run_import: Import, empty: Database
    ) -> None:
        await self.run_import(run_import, password())
        report = await self.run_import(run_import, options=UPDATE)
        assert (report.revoked, await self.stored(empty)) == (1, [])

    @pytest.mark.parametrize(
        ("password_hash", "is_imported"),
        [
            ("$2y$10$nJfGHWkJTemxzYOB0FfmlOXVKoR4CquASLJfnMDwMRwAeI5hegxP6", True),
            ("$wp$2y$10$xMQvZN3ef42/7CPmalCbGOc6AY6dFVrpZdfmAPZx0DdX4JNgiEOO6", True),
            ("$2y$13$nJfGHWkJTemxzYOB0FfmlOXVKoR4CquASLJfnMDwMRwAeI5hegxP6", False),
            ("$P$Bb9ZYqUD4FZumBLiaYb4n4eyHNkGH80", True),
            ("$P$Sb9ZYqUD4FZumBLiaYb4n4eyHNkGH80", False),
            ("$P$Fb9ZYqUD4FZumBLiaYb4n4eyHNkGH80", False),
        ],
    )
    async def test_application_password_with_an_expensive_hash_is_skipped(
        self, run_import: Import, empty: Database, password_hash: str, is_imported: bool
    ) -> None:
        report = await self.run_import(run_import, password(password_hash=password_hash))
        assert skipped(report, "application_passwords") == ({} if is_imported else {"unknown_hash": [1]})
        assert len(await self.stored(empty)) == is_imported

    async def test_application_password_that_was_revoked_here_stays_revoked(
        self, run_import: Import, empty: Database
    ) -> None:
        await self.run_import(run_import, password())
        await empty.write(lambda connection: connection.execute(delete(ApplicationPassword)))
        report = await self.run_import(run_import, password())
        assert counts(report, "application_passwords") == (1, 0, 0, 0, 1, 0)
        assert await self.stored(empty) == []

    async def test_application_password_revoked_at_the_source_is_revoked_here(
        self, run_import: Import, empty: Database
    ) -> None:
        """Passwords that were made here stay. Passwords that were renamed there are renamed here."""
        await self.run_import(run_import, password(), password("second", "u-2", OTHER))
        await empty.write(create_application_password, "user1", "ours")
        report = await self.run_import(run_import, password("second", "u-2", OTHER))
        assert report.revoked == 0
        report = await self.run_import(run_import, password("renamed", "u-2", OTHER), options=UPDATE)
        assert report.revoked == 1
        assert counts(report, "application_passwords") == (1, 0, 1, 0, 0, 0)
        assert [name for _, name, _ in await self.stored(empty)] == ["renamed", "ours"]

    async def test_application_password_with_an_upgraded_hash_is_unchanged(
        self, run_import: Import, empty: Database
    ) -> None:
        await self.run_import(run_import, password())
        await empty.write(lambda c: c.execute(update(ApplicationPassword).values(password_hash=OTHER)))
        report = await self.run_import(run_import, password(), options=UPDATE)
        assert counts(report, "application_passwords") == (1, 0, 0, 1, 0, 0)
        assert await self.stored(empty) == [("u-1", "till", OTHER)]
