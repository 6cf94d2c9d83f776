"""Sessions: begun once a password was right, and gone with it, with the user, and with time."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from fluent_cart.clock import now
from fluent_cart.database import Database
from fluent_cart.models import Session, User
from fluent_cart.security import session_cookies
from fluent_cart.services import sessions, users
from fluent_cart.services.sessions import EXPIRED_PER_WRITE, Account, ActiveSession
from fluent_cart.services.users import CurrentUser
from tests.conftest import rows


async def account(database: Database, name: str = "worker") -> Account:
    found = await database.read(sessions.find_account, name)
    assert found
    return found


async def start(database: Database, of: Account | None = None, new_hash: str | None = None) -> str:
    of = of or await account(database)
    cookie = await database.write(sessions.start_session, of, new_hash, 60)
    assert cookie
    return cookie


async def find(database: Database, cookie: str) -> ActiveSession | None:
    read = session_cookies.read([(b"cookie", f"{session_cookies.NAME}={cookie}".encode())])
    assert read
    return await database.read(sessions.find_session, read)


class TestAccount:
    async def test_account_is_found_by_login_or_address(self, database: Database) -> None:
        for name in ("worker", " WORKER ", "Worker@shop.example"):
            assert (await account(database, name))[:2] == (4, "worker")
        for name in ("", "work", "4", "worker@", "%"):
            assert await database.read(sessions.find_account, name) is None

    async def test_login_wins_over_an_equal_address(self, database: Database) -> None:
        """An imported user may have a login that is the address of another one."""
        values = {"login": "manager@shop.example", "login_key": "manager@shop.example"}
        await database.write(lambda c: c.execute(update(User).where(User.id == 6).values(values)))
        assert (await account(database, "Manager@shop.example")).id == 6


class TestStart:
    async def test_new_session_stores_neither_token_nor_cookie(self, database: Database) -> None:
        cookie = await start(database)
        [row] = await database.scan(rows, Session)
        token = (await find(database, cookie) or pytest.fail("no session")).token
        assert (row["user_id"], len(row["token_hash"]), len(row["key"])) == (4, 64, 64)
        assert row["created_at"] < row["expires_at"]
        assert not any(token in str(value) for value in row.values())
        assert len(token) == 43

    async def test_each_session_has_its_own_cookie(self, database: Database) -> None:
        first, second = [await find(database, await start(database)) for _ in range(2)]
        assert first
        assert second
        assert first.user == second.user == CurrentUser(4, "worker", "worker")
        assert first.id != second.id
        assert first.token != second.token
        assert first.key != second.key

    async def test_new_session_can_replace_the_password_hash(self, database: Database) -> None:
        old = await account(database)
        cookie = await start(database, old, "new hash")
        assert (await account(database)).password_hash == "new hash"
        assert await find(database, cookie)
        assert await database.write(sessions.start_session, old, None, 60) is None

    @pytest.mark.parametrize("change", ["password", "no password", "user"])
    async def test_no_session_starts_if_the_password_changed_meanwhile(
        self, database: Database, change: str
    ) -> None:
        """A sign-in that began with the old password does not outlive it."""
        old = await account(database)
        if change == "user":
            await database.write(users.delete_user, "worker")
        else:
            new = "new hash" if change == "password" else None
            await database.write(lambda c: c.execute(update(User).values(password_hash=new)))
        assert await database.write(sessions.start_session, old, "newer hash", 60) is None
        assert await database.scan(rows, Session) == []
        stored = await database.scan(lambda c: c.scalars(select(User.password_hash)).all())
        assert "newer hash" not in stored

    async def test_new_session_removes_expired_sessions(self, database: Database) -> None:
        def keep(connection: Connection, number: int, expires_at: str) -> None:
            for n in range(number):
                values: dict[str, Any] = {"user_id": 1, "token_hash": f"{expires_at} {n}", "key": ""}
                connection.execute(insert(Session), values | {"created_at": now(), "expires_at": expires_at})

        await database.write(keep, EXPIRED_PER_WRITE + 5, "2024-01-01T10:00:00Z")
        await database.write(keep, 3, "2924-01-01T10:00:00Z")
        await start(database)
        assert len(await database.scan(rows, Session)) == 5 + 3 + 1
        await start(database)
        assert len(await database.scan(rows, Session)) == 3 + 2


class TestEnd:
    async def test_end_of_one_session_keeps_others(self, database: Database) -> None:
        first, second = await start(database), await start(database)
        session = await find(database, first)
        assert session
        await database.write(sessions.end_session, session.id)
        assert await find(database, first) is None
        assert await find(database, second)

    async def test_sessions_end_with_another_password(self, database: Database) -> None:
        """Any program may store the hash. An import knows nothing of sessions."""
        cookie = await start(database)
        await database.write(lambda c: c.execute(update(User).values(password_hash="another hash")))
        assert await find(database, cookie) is None

    async def test_sessions_end_without_a_password(self, database: Database) -> None:
        cookie = await start(database)
        await database.write(lambda c: c.execute(update(User).values(password_hash=None)))
        assert await find(database, cookie) is None

    async def test_sessions_end_with_the_user(self, database: Database) -> None:
        cookie = await start(database)
        await database.write(users.delete_user, "worker")
        assert await find(database, cookie) is None
        assert await database.scan(rows, Session) == []

    async def test_end_of_sessions_keeps_those_of_other_users(self, database: Database) -> None:
        own, other = await start(database), await start(database, await account(database, "manager"))
        assert await database.write(users.sign_out, "worker") == 1
        assert await find(database, own) is None
        assert await find(database, other)
        await database.write(users.set_password, "worker", "another hash")
        assert await find(database, other)

    async def test_session_has_the_new_role(self, database: Database) -> None:
        cookie = await start(database)
        await database.write(users.set_role, "worker", "manager")
        session = await find(database, cookie)
        assert session
        assert session.user.role == "manager"


class TestOwn:
    async def test_expired_sessions_are_not_listed_and_the_newest_is_first(self, database: Database) -> None:
        first, second = await start(database), await start(database)
        other = await start(database, await account(database, "manager"))
        expired = {"created_at": now(), "expires_at": "2024-01-01T10:00:00Z"}
        values = {"user_id": 4, "token_hash": "x", "key": "", **expired}
        await database.write(lambda c: c.execute(insert(Session), values))
        listed = await database.read(sessions.sessions_of, 4)
        found = [await find(database, cookie) or pytest.fail("no session") for cookie in (second, first)]
        assert [each["id"] for each in listed] == [session.id for session in found]
        assert set(listed[0]) == {"id", "created_at", "expires_at"}
        assert await find(database, other)

    async def test_ending_other_sessions_keeps_the_given_one(self, database: Database) -> None:
        kept, ended = await start(database), await start(database)
        other = await start(database, await account(database, "manager"))
        session = await find(database, kept)
        assert session
        assert await database.write(sessions.end_other_sessions, 4, session.id) == 1
        assert await database.write(sessions.end_other_sessions, 4, session.id) == 0
        assert await find(database, kept)
        assert await find(database, other)
        assert await find(database, ended) is None

    async def test_changed_password_starts_a_session_and_ends_all_older_ones(
        self, database: Database
    ) -> None:
        older = await start(database)
        old = await account(database)
        cookie = await database.write(sessions.change_password, old, "new hash", 60)
        assert cookie
        assert (await account(database)).password_hash == "new hash"
        assert await find(database, cookie)
        assert await find(database, older) is None
        assert len(await database.scan(rows, Session)) == 1

    async def test_password_that_was_changed_meanwhile_stays(self, database: Database) -> None:
        """Of two changes at once, one succeeds. The other was checked against a replaced password."""
        old = await account(database)
        older = await start(database, old)
        assert await database.write(sessions.change_password, old, "first", 60)
        assert await database.write(sessions.change_password, old, "second", 60) is None
        assert (await account(database)).password_hash == "first"
        assert len(await database.scan(rows, Session)) == 1
        assert await find(database, older) is None
