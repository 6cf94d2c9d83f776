"""Credentials of a request -> its user (decision 22): who is let in, who is not, and what neither learns."""

import asyncio
import logging
import re
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import httpx
import pytest
from passlib.hash import phpass
from sqlalchemy import Connection, Engine, event, insert, select

from fluent_cart import passwords
from fluent_cart.app import PREFIX, create_app
from fluent_cart.auth import Credentials, current_user
from fluent_cart.clock import now
from fluent_cart.database import Database, connect
from fluent_cart.models import ApplicationPassword, Customer, User
from fluent_cart.services import customers, users
from fluent_cart.services.users import CurrentUser
from fluent_cart.settings import Settings
from tests.conftest import MakeClient, MakeCustomer, credentials, rows, secret_of
from tests.errors import assert_error

CHALLENGE = 'Basic realm="FluentCart", charset="UTF-8"'
WORKER = secret_of("worker")
# The administrator "legacy" of a real WordPress, whose hashes are older than 6.8, and its two passwords.
LEGACY_SECRET, LEGACY_HASH = "bwGfoUPFCoHx5LIl8X3i85bl", "$P$Bb9ZYqUD4FZumBLiaYb4n4eyHNkGH80"
LOGIN_PASSWORD = "old login p\u00e4ssword"


def basic(decoded: str | bytes, scheme: str = "Basic") -> dict[str, str]:
    """Return the header for ``name:secret``."""
    raw = decoded.encode() if isinstance(decoded, str) else decoded
    return {"Authorization": f"{scheme} {b64encode(raw).decode()}"}


def assert_signed_in(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["success"]) == (200, True)
    assert "www-authenticate" not in response.headers


def assert_refused(response: httpx.Response, code: str = "authentication_failed") -> None:
    text = {
        "authentication_required": "Authentication is required: send an application password with HTTP Basic",
        "authentication_failed": "The user name or the application password is not correct",
    }[code]
    assert_error(response, 401, code, text)
    assert response.headers.get_list("www-authenticate") == [CHALLENGE]


def store_user(connection: Connection, login: str, role: str = "administrator") -> int:
    return users.create_user(connection, login, f"{login}@shop.example", login.title(), role)


def store_hash(connection: Connection, login: str, password_hash: str) -> int:
    """Store an imported application password and return its id."""
    user_id = connection.scalar(select(User.id).where(User.login == login))
    values = {"user_id": user_id, "name": "old client", "password_hash": password_hash, "created_at": now()}
    made = connection.execute(insert(ApplicationPassword).returning(ApplicationPassword.id), values)
    return int(made.scalar_one())


def quick_legacy_hash(secret: str) -> str:
    """Return a legacy hash of fewer rounds than WordPress makes."""
    return str(cast(Any, phpass).using(rounds=7).hash(secret))


class Work(NamedTuple):
    """What was done: statements on SQLite, without their values; rounds and threads of the slow hashes."""

    statements: list[str]
    rounds: list[int]
    threads: set[threading.Thread]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """Watch what is done on connections that open from now on."""
    done, handler = Work([], [], set()), cast(Any, phpass)
    calculate = handler._calc_checksum

    def count_hash(legacy: Any, secret: Any) -> Any:
        done.rounds.append(legacy.rounds)
        done.threads.add(threading.current_thread())
        return calculate(legacy, secret)

    def watch(connection: Any, _record: Any) -> None:
        if hasattr(connection, "set_trace_callback"):
            connection.set_trace_callback(count_statement)

    def count_statement(sql: str) -> None:
        if not sql.startswith("PRAGMA"):
            done.statements.append(re.sub("'[^']*'", "?", sql))

    monkeypatch.setattr(handler, "_calc_checksum", count_hash)
    event.listen(Engine, "connect", watch)
    yield done
    event.remove(Engine, "connect", watch)


class OnSQLite:
    """One database will do, except for ``TestUpgrade`` and ``TestOtherProcesses``."""

    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        return sqlite_settings


# Not well formed, or not readable: such a header counts as none. "d29ya2VyOnNlY3JldA==" is "worker:secret".
NO_CREDENTIALS = [
    b"", b"Basic", b"Basic ", b"Basic !!!!", b"Basic d29ya2Vy,eA==", b"Basic d29ya2VyOnNlY3JldA",
    b"Basic d29ya2VyOnNlY3JldA==, Basic d29ya2VyOnNlY3JldA==", b"Basic\td29ya2VyOnNlY3JldA==",
    b"Basic d29ya2Vy OnNlY3JldA==", "Basic \u00e9\u00e9\u00e9\u00e9".encode(), b"Basic \xff\xff\xff\xff",
    b"Bearer d29ya2VyOnNlY3JldA==", b"Digest username=worker", b"d29ya2VyOnNlY3JldA==",
    b"BasicBasic d29ya2VyOnNlY3JldA==", b"Basic " + b"A" * 500_001, b"B" * 500_000, b"Basic " * 100_000,
]  # fmt: skip
UNREADABLE = {
    "nothing": b"",
    "no colon": b"worker",
    "a secret alone": WORKER.encode(),
    "NUL in the name": b"wor\0ker:" + WORKER.encode(),
    "NUL after the name": b"worker\0:" + WORKER.encode(),
    "a name in Latin-1": b"j\xfcrgen:" + WORKER.encode(),
    "a secret in Latin-1": b"worker:\xff" + WORKER.encode(),
    "a surrogate": b"\xed\xa0\x80:" + WORKER.encode(),
    "UTF-16": f"worker:{WORKER}".encode("utf-16"),
}


class TestHeader(OnSQLite):
    async def test_names_its_scheme_in_any_case(self, anonymous: httpx.AsyncClient) -> None:
        for scheme in ("Basic", "basic", "BASIC", "bAsIc", "Basic   "):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{WORKER}", scheme)))

    async def test_that_is_not_well_formed_is_none(self, anonymous: httpx.AsyncClient) -> None:
        for header in NO_CREDENTIALS:
            response = await anonymous.get("", headers={b"Authorization": header})
            assert_refused(response, "authentication_required")

    @pytest.mark.parametrize("decoded", UNREADABLE.values(), ids=UNREADABLE)
    async def test_that_cannot_be_read_is_none(self, anonymous: httpx.AsyncClient, decoded: bytes) -> None:
        assert_refused(await anonymous.get("", headers=basic(decoded)), "authentication_required")

    async def test_that_can_be_read_is_checked(self, anonymous: httpx.AsyncClient) -> None:
        for decoded in (
            "worker:wrong", "worker:", ":", f":{WORKER}", f" : {WORKER}", f"{WORKER}:worker",
            f"{'w' * 500_000}:{WORKER}", f"worker:{WORKER}{' ' * 5000}", f"worker:{'x' * 500_000}",
        ):  # fmt: skip
            assert_refused(await anonymous.get("", headers=basic(decoded)))


class TestNames(OnSQLite):
    async def test_are_logins_or_addresses_in_any_case(self, database: Database) -> None:
        for name in (
            "worker",
            "WORKER",
            "worker@shop.example",
            "Worker@SHOP.Example",
            " worker ",
            "\tworker\n",
        ):
            user = await current_user(Credentials(name, WORKER), database)
            assert user == CurrentUser(4, "worker", "worker")

    async def test_are_whole_and_taken_literally(self, anonymous: httpx.AsyncClient) -> None:
        for name in (
            "", "work", "workers", "worker@", "worker@shop", "wor%", "w_rker", "*", "worker'--", "4",
            "\uff57orker", "w\u200borker", "worker\u0301", "manager", "manager@shop.example",
        ):  # fmt: skip
            assert_refused(await anonymous.get("", headers=basic(f"{name}:{WORKER}")))

    async def test_are_read_as_utf_8(self, database: Database, anonymous: httpx.AsyncClient) -> None:
        await database.write(store_user, "j\u00fcrgen", "accountant")
        secret = await database.write(users.create_application_password, "j\u00fcrgen", "till")
        for name in ("j\u00fcrgen", "J\u00dcRGEN", "j\u00fcrgen@shop.example"):
            assert_signed_in(await anonymous.get("", headers=basic(f"{name}:{secret}")))


class TestSecrets(OnSQLite):
    async def test_count_by_their_letters_and_digits(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_hash, "worker", passwords.digest("abcdefghijklmnopqrstuvwx"))
        for written in (
            "abcdefghijklmnopqrstuvwx",
            "abcd efgh ijkl mnop qrst uvwx",
            "abcd-efgh-ijkl-mnop-qrst-uvwx",
            " abcd  efghijkl mnop qrst uvwx\n",
            "ab:cd:efghijklmnopqrstuvwx",
            "abcd\0efgh\u00a0ijklmnopqrstuvwx",
        ):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{written}")))

    async def test_every_one_of_a_user_counts(self, database: Database, anonymous: httpx.AsyncClient) -> None:
        made = [await database.write(users.create_application_password, "worker", name) for name in "abc"]
        for secret in (*made, WORKER, *map(passwords.in_groups, made)):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{secret}")))

    async def test_nothing_but_an_application_password_counts(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        """Among the refused are an account's login password, its names and its hashes."""
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        for name, secret in [
            ("legacy", LOGIN_PASSWORD),
            ("legacy", LEGACY_HASH),
            ("legacy", "legacy"),
            ("worker", passwords.digest(WORKER)),
            ("worker", passwords.digest(WORKER).removeprefix("$generic$")),
            ("worker", WORKER.swapcase()),
            ("worker", WORKER[:-1]),
            ("worker", "worker"),
            ("worker", secret_of("manager")),
        ]:
            assert_refused(await anonymous.get("", headers=basic(f"{name}:{secret}")))

    async def test_nothing_is_no_secret_even_if_its_slow_hash_is_stored(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_hash, "worker", quick_legacy_hash(""))
        for secret in ("", " ", "-", "x" * 5000):
            assert_refused(await anonymous.get("", headers=basic(f"worker:{secret}")))


class TestRefusals(OnSQLite):
    """Whoever is refused learns nothing of the account: not from the answer, nor from the time it takes."""

    @pytest.fixture
    async def names(self, database: Database) -> list[str]:
        """Names of no account, of one with a fast password, and of one without any."""
        await database.write(store_user, "without-passwords")
        return ["unknown", "unknown@shop.example", "worker", "worker@shop.example", "without-passwords"]

    @staticmethod
    async def _refuse(client: httpx.AsyncClient, name: str, secret: str = "wrong") -> tuple[Any, ...]:
        response = await client.get("", headers={"X-Request-Id": "same"} | basic(f"{name}:{secret}"))
        assert_refused(response)
        return response.status_code, response.content, response.headers.multi_items()

    async def test_are_the_same_bytes_for_every_cause(
        self, database: Database, anonymous: httpx.AsyncClient, names: list[str]
    ) -> None:
        revoked = await database.write(users.create_application_password, "worker", "revoked")
        [*_, last] = await database.scan(users.list_application_passwords, "worker")
        await database.write(users.revoke_application_password, last["id"])
        causes = [(name, secret) for name in names for secret in ("wrong", secret_of("manager"), revoked, "")]
        answers = [await self._refuse(anonymous, *cause) for cause in causes]
        assert answers == [answers[0]] * len(causes)

    async def test_cost_the_same_statements_and_no_slow_hash(
        self, work: Work, anonymous: httpx.AsyncClient, names: list[str]
    ) -> None:
        costs = []
        for name in names:
            work.statements.clear()
            await self._refuse(anonymous, name)
            costs.append(list(work.statements))
        assert costs == [costs[0]] * len(names)
        assert costs[0][0].startswith("SELECT users.id")
        assert work.rounds == []

    async def test_cost_as_much_for_an_account_with_two_slow_hashes_as_for_any_other(
        self, database: Database, anonymous: httpx.AsyncClient, work: Work
    ) -> None:
        await database.write(store_user, "legacy")
        for secret in ("one", "two"):
            await database.write(store_hash, "legacy", quick_legacy_hash(secret))
        await anonymous.get("", headers=basic("unknown:wrong"))  # the first look-up opens a connection
        costs = []
        for name in ("legacy", "unknown", "worker"):
            work.rounds.clear()
            work.statements.clear()
            assert_refused(await anonymous.get("", headers=basic(f"{name}:wrong")))
            costs.append((len(work.rounds), len(work.statements)))
        assert costs == [costs[0]] * 3
        assert costs[0][0] == 2

    async def test_cost_one_slow_hash_of_the_usual_rounds_where_a_site_has_any(
        self, database: Database, anonymous: httpx.AsyncClient, names: list[str], work: Work
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        for name in (*names, "legacy", "legacy@shop.example"):
            work.rounds.clear()
            await self._refuse(anonymous, name)
            assert work.rounds == [13], name


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
    """An older site's slow hash lets in once, and becomes a fast one by that; on both databases."""

    async def test_sign_in_slowly_once_and_then_the_fast_way(
        self, database: Database, legacy: httpx.AsyncClient, legacy_id: int, work: Work
    ) -> None:
        before = await database.scan(rows, ApplicationPassword)
        first, rounds = await legacy.get(""), list(work.rounds)
        assert_signed_in(first)
        assert rounds == [13]
        second = await legacy.get("")
        assert (second.status_code, second.content) == (first.status_code, first.content)
        assert work.rounds == rounds
        expected = [
            row | ({"password_hash": passwords.digest(LEGACY_SECRET)} if row["id"] == legacy_id else {})
            for row in before
        ]
        assert await database.scan(rows, ApplicationPassword) == expected

    async def test_one_revoked_while_it_is_hashed_is_refused_and_stays_away(
        self, database: Database, settings: Settings, legacy: httpx.AsyncClient, legacy_id: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        verify = passwords.verify

        def verify_then_revoke(secret: str, password_hash: str) -> bool:
            verified = verify(secret, password_hash)
            with connect(settings.database_url) as connection:
                users.revoke_application_password(connection, legacy_id)
            return verified

        monkeypatch.setattr(passwords, "verify", verify_then_revoke)
        assert_refused(await legacy.get(""))
        assert legacy_id not in [row["id"] for row in await database.scan(rows, ApplicationPassword)]


class TestLegacyPasswords(OnSQLite):
    async def test_sign_in_by_address_in_groups_and_with_the_users_own_role(
        self, database: Database, legacy_id: int
    ) -> None:
        given = Credentials("Legacy@Shop.example", passwords.in_groups(LEGACY_SECRET))
        user_id = len(await database.scan(users.list_users))
        for _ in range(2):
            assert await current_user(given, database) == CurrentUser(user_id, "legacy", "administrator")

    async def test_wrong_ones_change_nothing(
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

    async def test_the_stand_in_for_a_missing_hash_lets_nobody_in(
        self, work: Work, anonymous: httpx.AsyncClient, legacy_id: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if somebody found out what secret it belongs to."""
        monkeypatch.setattr(passwords, "DUMMY_LEGACY_HASH", quick_legacy_hash("found"))
        work.statements.clear()
        assert_refused(await anonymous.get("", headers=basic("unknown:found")))
        assert_refused(await anonymous.get("", headers=basic("worker:found")))
        assert {statement.split()[0] for statement in work.statements} == {"SELECT"}

    async def test_any_of_five_counts_and_only_the_used_one_changes(
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

    async def test_no_more_than_five_are_tried(
        self, database: Database, anonymous: httpx.AsyncClient, work: Work
    ) -> None:
        await database.write(store_user, "legacy")
        for number in range(7):
            await database.write(store_hash, "legacy", quick_legacy_hash(f"secret{number}"))
        work.rounds.clear()
        assert_refused(await anonymous.get("", headers=basic("legacy:wrong")))
        assert work.rounds == [7] * 5

    async def test_damaged_ones_do_not_stand_in_the_way(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_user, "legacy")
        for damaged in ("$P$B", "$P$Bb9ZYqUD4", "$P$z" + "a" * 30, "$P$" + "\u00e9" * 31):
            await database.write(store_hash, "legacy", damaged)
        await database.write(store_hash, "legacy", LEGACY_HASH)
        assert_refused(await anonymous.get("", headers=basic("legacy:wrong")))
        assert_signed_in(await anonymous.get("", headers=basic(f"legacy:{LEGACY_SECRET}")))

    async def test_used_by_many_at_once_lets_all_of_them_in(
        self, database: Database, legacy: httpx.AsyncClient, legacy_id: int
    ) -> None:
        for response in await asyncio.gather(*(legacy.get("") for _ in range(6))):
            assert_signed_in(response)
        [stored] = [row for row in await database.scan(rows, ApplicationPassword) if row["id"] == legacy_id]
        assert stored["password_hash"] == passwords.digest(LEGACY_SECRET)

    async def test_are_hashed_one_at_a_time_and_off_the_event_loop(
        self, anonymous: httpx.AsyncClient, legacy_id: int, work: Work, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verify, running, most = passwords.verify, [0], [0]

        def count_running(secret: str, password_hash: str) -> bool:
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.01)
            verified = verify(secret, password_hash)
            running[0] -= 1
            return verified

        monkeypatch.setattr(passwords, "verify", count_running)
        wrong = basic("legacy:wrong")
        for response in await asyncio.gather(*(anonymous.get("", headers=wrong) for _ in range(6))):
            assert_refused(response)
        assert (len(work.rounds), most[0]) == (6, 1)
        assert threading.main_thread() not in work.threads


class TestOtherProcesses:
    """What one process changes holds for the next request of every other: nothing is remembered."""

    @pytest.fixture
    async def elsewhere(self, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
        """A worker at another application on the same shop, signed in once already."""
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport, base_url=f"http://shop.example{PREFIX}", auth=credentials("worker")
            ) as client,
        ):
            assert_signed_in(await client.get(""))
            yield client

    async def test_see_passwords_come_and_go_at_once(
        self, database: Database, elsewhere: httpx.AsyncClient
    ) -> None:
        [first] = await database.scan(users.list_application_passwords, "worker")
        secret = await database.write(users.create_application_password, "worker", "new")
        new = httpx.BasicAuth("worker", secret)
        assert_signed_in(await elsewhere.get("", auth=new))
        await database.write(users.revoke_application_password, first["id"])
        assert_refused(await elsewhere.get(""))
        assert_signed_in(await elsewhere.get("", auth=new))

    async def test_see_another_role_and_the_end_of_a_user_at_once(
        self, database: Database, elsewhere: httpx.AsyncClient
    ) -> None:
        for role, status in [("subscriber", 403), ("accountant", 200), ("", 403), ("manager", 200)]:
            await database.write(users.set_role, "worker", role)
            assert (await elsewhere.get("")).status_code == status
        await database.write(users.delete_user, "worker")
        assert_refused(await elsewhere.get(""))


class TestLogs:
    """At the most talkative level nobody reads a secret, a hash, a header or whom somebody searched for."""

    CANARY = "Zq7CanaryXw9"

    @contextmanager
    def _nothing_leaks(self, caplog: pytest.LogCaptureFixture, *private: str) -> Iterator[None]:
        """Catch what everyone but the test's own client logs."""
        caplog.set_level(logging.DEBUG)
        yield
        logging.getLogger("fluent_cart.anything").debug("this is caught")
        lines = [
            caplog.handler.format(record)
            for record in caplog.records
            if not record.name.startswith(("httpx", "httpcore"))
        ]
        assert any("this is caught" in line for line in lines)
        for text in private:
            assert [line for line in lines if text in line] == []

    @staticmethod
    def _private(name: str, secret: str) -> tuple[str, ...]:
        header = basic(f"{name}:{secret}")["Authorization"].removeprefix("Basic ")
        return secret, passwords.normalize(secret), passwords.digest(secret), header

    async def test_of_success(
        self, make_customer: MakeCustomer, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        await make_customer(email="ann@example.com", first_name=self.CANARY)
        header = basic(f"manager:{secret_of('manager')}")
        with self._nothing_leaks(caplog, self.CANARY, *self._private("manager", secret_of("manager"))):
            found = await anonymous.get(f"?search={self.CANARY}&filters[status]=active", headers=header)
            assert found.json()["data"]["customers"][0]["first_name"] == self.CANARY
            changed = await anonymous.put("/1", json={"phone": self.CANARY}, headers=header)
            assert_signed_in(changed)

    async def test_of_refusals(self, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
        wrong = f"{self.CANARY} wrong secret"
        with self._nothing_leaks(caplog, self.CANARY, *self._private("worker", wrong)):
            for name in ("worker", "unknown", self.CANARY):
                answer = await anonymous.get(f"?search={self.CANARY}", headers=basic(f"{name}:{wrong}"))
                assert_refused(answer)

    async def test_of_input_errors(
        self, manager: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with self._nothing_leaks(caplog, self.CANARY):
            answer = await manager.post("", json={"email": self.CANARY, "status": self.CANARY})
            assert_error(answer, 422, "validation_error")

    async def test_of_legacy_passwords(
        self, database: Database, client_of: MakeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        with self._nothing_leaks(caplog, LEGACY_HASH, *self._private("legacy", LEGACY_SECRET)):
            async with client_of(httpx.BasicAuth("legacy", LEGACY_SECRET)) as client:
                assert_signed_in(await client.get(""))

    async def test_of_a_hash_that_two_users_have(
        self, database: Database, anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Imported users may have chosen the same password; each signs in, and keeps a hash of its own."""
        for name in ("legacy", "clone"):
            await database.write(store_user, name)
            await database.write(store_hash, name, quick_legacy_hash(LEGACY_SECRET))
        with self._nothing_leaks(caplog, passwords.digest(LEGACY_SECRET)):
            for name in ("legacy", "clone", "legacy"):
                assert_signed_in(await anonymous.get("", headers=basic(f"{name}:{LEGACY_SECRET}")))

    async def test_of_a_broken_server(
        self, manager: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A unit of work that the database refuses for a reason that nobody foresaw."""

        def insert_half(connection: Connection, *_: object) -> None:
            connection.execute(insert(Customer), {"email": self.CANARY, "additional_info": {}})

        monkeypatch.setattr(customers, "create_customer", insert_half)
        with self._nothing_leaks(caplog, self.CANARY, *self._private("manager", secret_of("manager"))):
            answer = await manager.post("", json={"email": f"{self.CANARY}@example.com"})
            assert_error(answer, 500, "internal_error")
        [logged] = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert logged.getMessage() == f"Unexpected error in request {answer.headers['x-request-id']}"
        assert logged.exc_info
