"""Application passwords of an older site: slow to check, let in once, and stored in the fast form by that."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.database import Database, connect
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import application_passwords
from fluent_cart.security.login_passwords import PhpBcrypt, WordPressBcrypt
from fluent_cart.services import users
from fluent_cart.services.application_passwords import legacy_hashes, revoke_application_password
from fluent_cart.services.users import CurrentUser
from fluent_cart.settings import Settings
from tests.conftest import MakeClient, rows
from tests.support.login import (
    LEGACY_HASH,
    LEGACY_SECRET,
    OnSQLite,
    Work,
    assert_refused,
    assert_signed_in,
    basic,
    quick_legacy_hash,
    store_hash,
    store_user,
    user_of,
)


def bcrypt_hash(prefix: str, secret: str) -> str:
    """Return the bcrypt hash of a secret as PHP or WordPress stores it, at the lowest cost."""
    handler: Any = WordPressBcrypt if prefix == "$wp$2y$" else PhpBcrypt
    return str(handler.using(rounds=4).hash(secret.encode()))


@pytest.fixture
async def legacy_id(database: Database) -> int:
    """The id of the only application password of the administrator ``legacy``."""
    await database.write(store_user, "legacy")
    return await database.write(store_hash, "legacy", LEGACY_HASH)


@pytest.fixture
async def legacy(client_of: MakeClient, legacy_id: int) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(httpx.BasicAuth("legacy", LEGACY_SECRET)) as client:
        yield client


class TestUpgrade:
    """The first sign-in replaces an older site's slow hash by a fast one, on both databases."""

    async def test_slow_hash_is_replaced_at_the_first_sign_in(
        self, database: Database, legacy: httpx.AsyncClient, legacy_id: int, work: Work
    ) -> None:
        before = await database.scan(rows, ApplicationPassword)
        first, rounds = await legacy.get(""), list(work.rounds)
        assert_signed_in(first)
        assert rounds == [13]
        second = await legacy.get("")
        assert (second.status_code, second.content) == (first.status_code, first.content)
        assert work.rounds == rounds
        after = await database.scan(rows, ApplicationPassword)
        [upgraded] = [row for row in after if row["id"] == legacy_id]
        change = {
            "password_hash": application_passwords.digest(LEGACY_SECRET),
            "last_used": upgraded["last_used"],
        }
        assert upgraded["last_used"]
        assert after == [row | (change if row["id"] == legacy_id else {}) for row in before]

    async def test_legacy_password_revoked_during_its_check_is_rejected_and_stays_revoked(
        self, database: Database, settings: Settings, legacy: httpx.AsyncClient, legacy_id: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        verify = application_passwords.verify

        def verify_then_revoke(secret: str, password_hash: str) -> bool:
            verified = verify(secret, password_hash)
            with connect(settings.database_url) as connection:
                revoke_application_password(connection, legacy_id)
            return verified

        monkeypatch.setattr(application_passwords, "verify", verify_then_revoke)
        assert_refused(await legacy.get(""))
        assert legacy_id not in [row["id"] for row in await database.scan(rows, ApplicationPassword)]


class TestLegacyPasswords(OnSQLite):
    async def test_legacy_password_in_groups_signs_in_by_address_with_the_users_role(
        self, app: FastAPI, database: Database, legacy_id: int
    ) -> None:
        given = ("Legacy@Shop.example", application_passwords.format_for_display(LEGACY_SECRET))
        user_id = len(await database.scan(users.list_users))
        for _ in range(2):
            assert await user_of(app, *given) == CurrentUser(user_id, "legacy", "administrator")

    async def test_wrong_legacy_password_changes_nothing(
        self, database: Database, anonymous: httpx.AsyncClient, legacy_id: int
    ) -> None:
        before = await database.scan(rows, ApplicationPassword)
        for name, secret in [
            ("legacy", "wrong"),
            ("legacy", LEGACY_SECRET.lower()),
            ("unknown", LEGACY_SECRET),
            ("worker", LEGACY_SECRET),
        ]:
            assert_refused(await anonymous.get("", headers=basic(f"{name}:{secret}")))
        assert await database.scan(rows, ApplicationPassword) == before

    async def test_dummy_hash_lets_no_user_in(
        self, work: Work, anonymous: httpx.AsyncClient, legacy_id: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if an attacker found the secret of the dummy hash."""
        monkeypatch.setattr(application_passwords, "dummy", lambda _beginning: quick_legacy_hash("found"))
        work.statements.clear()
        assert_refused(await anonymous.get("", headers=basic("unknown:found")))
        assert_refused(await anonymous.get("", headers=basic("worker:found")))
        assert {statement.split()[0] for statement in work.statements} == {"SELECT"}

    async def test_each_of_five_legacy_passwords_signs_in_and_only_the_used_one_changes(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_user, "legacy")
        ids = [
            await database.write(store_hash, "legacy", quick_legacy_hash(f"secret{number}"))
            for number in range(5)
        ]
        for number, password_id in reversed(list(enumerate(ids))):
            assert_signed_in(await anonymous.get("", headers=basic(f"legacy:secret{number}")))
            slow = [
                row["id"]
                for row in await database.scan(rows, ApplicationPassword)
                if row["password_hash"].startswith("$P$")
            ]
            assert slow == [other for other in ids if other < password_id]

    @pytest.mark.parametrize("prefix", ["$2y$", "$wp$2y$"])
    async def test_legacy_passwords_of_bcrypt_sign_in_and_become_fast_ones(
        self, database: Database, anonymous: httpx.AsyncClient, prefix: str
    ) -> None:
        await database.write(store_user, "legacy")
        password_id = await database.write(store_hash, "legacy", bcrypt_hash(prefix, "Abcd1234Efgh"))
        for wrong in ("Abcd1234Efgx", "abcd1234efgh"):
            assert_refused(await anonymous.get("", headers=basic(f"legacy:{wrong}")))
        assert_refused(await anonymous.get("", headers=basic("worker:Abcd1234Efgh")))
        assert_signed_in(await anonymous.get("", headers=basic("legacy:Abcd 1234 Efgh")))
        found = await database.scan(rows, ApplicationPassword)
        [stored] = [row["password_hash"] for row in found if row["id"] == password_id]
        assert stored == application_passwords.digest("Abcd1234Efgh")

    async def test_legacy_passwords_cost_the_same_for_every_name_whatever_hashes_it_has(
        self, database: Database
    ) -> None:
        hashes = {
            "one": ["$P$B" + "a" * 30, "$2y$10$" + "a" * 53],
            "two": ["$P$B" + "b" * 30, "$P$B" + "c" * 30, "$wp$2y$11$" + "a" * 53],
            "three": [],
        }
        for name, stored in hashes.items():
            await database.write(store_user, name)
            for each in stored:
                await database.write(store_hash, name, each)
        costs = [("$2y$10$", 1), ("$P$B", 2), ("$wp$2y$11$", 1)]
        for name in (*hashes, "unknown"):
            tried = [hash_ for _, hash_ in await database.read(legacy_hashes, name)]
            found = [(start, sum(hash_.startswith(start) for hash_ in tried)) for start, _ in costs]
            assert (name, found, len(tried)) == (name, costs, 4)

    async def test_at_most_five_slow_hashes_are_tried(
        self, database: Database, anonymous: httpx.AsyncClient, work: Work
    ) -> None:
        await database.write(store_user, "legacy")
        for number in range(7):
            await database.write(store_hash, "legacy", quick_legacy_hash(f"secret{number}"))
        work.rounds.clear()
        assert_refused(await anonymous.get("", headers=basic("legacy:wrong")))
        assert work.rounds == [7] * 5

    async def test_damaged_hashes_do_not_block_a_valid_one(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_user, "legacy")
        for damaged in ("$P$B", "$P$Bb9ZYqUD4", "$P$z" + "a" * 30, "$P$" + "\u00e9" * 31):
            await database.write(store_hash, "legacy", damaged)
        await database.write(store_hash, "legacy", LEGACY_HASH)
        assert_refused(await anonymous.get("", headers=basic("legacy:wrong")))
        assert_signed_in(await anonymous.get("", headers=basic(f"legacy:{LEGACY_SECRET}")))

    async def test_legacy_password_used_by_many_requests_at_once_signs_all_of_them_in(
        self, database: Database, legacy: httpx.AsyncClient, legacy_id: int
    ) -> None:
        for response in await asyncio.gather(*(legacy.get("") for _ in range(6))):
            assert_signed_in(response)
        [stored] = [row for row in await database.scan(rows, ApplicationPassword) if row["id"] == legacy_id]
        assert stored["password_hash"] == application_passwords.digest(LEGACY_SECRET)

    async def test_legacy_passwords_are_hashed_one_at_a_time_and_off_the_event_loop(
        self, anonymous: httpx.AsyncClient, legacy_id: int, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verify, running, most = application_passwords.verify, [0], [0]

        def count_running(secret: str, password_hash: str) -> bool:
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.01)
            verified = verify(secret, password_hash)
            running[0] -= 1
            return verified

        monkeypatch.setattr(application_passwords, "verify", count_running)
        wrong = basic("legacy:wrong")
        for response in await asyncio.gather(*(anonymous.get("", headers=wrong) for _ in range(6))):
            assert_refused(response)
        assert (len(work.rounds), most[0]) == (6, 1)
        assert threading.main_thread() not in work.threads
