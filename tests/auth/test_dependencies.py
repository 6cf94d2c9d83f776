"""The user of a request, from its credentials.

See docs/decisions.md#22-http-basic.
"""

import logging
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from fluent_cart.app import create_app
from fluent_cart.auth.dependencies import admit
from fluent_cart.auth.limits import create_limits
from fluent_cart.database import Database
from fluent_cart.database.scan_queue import CALLER, Caller
from fluent_cart.observability.request_context import request_context
from fluent_cart.security import application_passwords
from fluent_cart.services import users
from fluent_cart.services.application_passwords import (
    create_application_password,
    list_application_passwords,
    revoke_application_password,
)
from fluent_cart.services.users import CurrentUser
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import credentials, secret_of
from tests.support.login import (
    LEGACY_HASH,
    LOGIN_PASSWORD,
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

WORKER = secret_of("worker")

# Malformed or unreadable headers count as absent. "d29ya2VyOnNlY3JldA==" is "worker:secret".
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
    async def test_header_names_its_scheme_in_any_case(self, anonymous: httpx.AsyncClient) -> None:
        for scheme in ("Basic", "basic", "BASIC", "bAsIc", "Basic   "):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{WORKER}", scheme)))

    async def test_malformed_authorization_header_counts_as_anonymous(
        self, anonymous: httpx.AsyncClient
    ) -> None:
        for header in NO_CREDENTIALS:
            response = await anonymous.get("", headers={b"Authorization": header})
            assert_refused(response, "authentication_required")

    @pytest.mark.parametrize("decoded", UNREADABLE.values(), ids=UNREADABLE)
    async def test_unreadable_authorization_header_counts_as_anonymous(
        self, anonymous: httpx.AsyncClient, decoded: bytes
    ) -> None:
        assert_refused(await anonymous.get("", headers=basic(decoded)), "authentication_required")

    async def test_readable_authorization_header_is_checked(self, anonymous: httpx.AsyncClient) -> None:
        for decoded in (
            "worker:wrong", "worker:", ":", f":{WORKER}", f" : {WORKER}", f"{WORKER}:worker",
            f"{'w' * 500_000}:{WORKER}", f"worker:{WORKER}{' ' * 5000}", f"worker:{'x' * 500_000}",
        ):  # fmt: skip
            assert_refused(await anonymous.get("", headers=basic(decoded)))


class TestNames(OnSQLite):
    async def test_user_name_is_a_login_or_address_in_any_case(self, app: FastAPI) -> None:
        for name in (
            "worker",
            "WORKER",
            "worker@shop.example",
            "Worker@SHOP.Example",
            " worker ",
            "\tworker\n",
        ):
            assert await user_of(app, name, WORKER) == CurrentUser(4, "worker", "worker")

    async def test_user_name_must_match_exactly(self, anonymous: httpx.AsyncClient) -> None:
        for name in (
            "", "work", "workers", "worker@", "worker@shop", "wor%", "w_rker", "*", "worker'--", "4",
            "\uff57orker", "w\u200borker", "worker\u0301", "manager", "manager@shop.example",
        ):  # fmt: skip
            assert_refused(await anonymous.get("", headers=basic(f"{name}:{WORKER}")))

    async def test_credentials_are_read_as_utf_8(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_user, "j\u00fcrgen", "accountant")
        secret = await database.write(create_application_password, "j\u00fcrgen", "till")
        for name in ("j\u00fcrgen", "J\u00dcRGEN", "j\u00fcrgen@shop.example"):
            assert_signed_in(await anonymous.get("", headers=basic(f"{name}:{secret}")))

    async def test_user_name_may_have_either_form_of_a_domain(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        for login, typed in (("ada", "ada@xn--bcher-kva.example"), ("bob", "bob@b\u00fccher.example")):
            await database.write(users.create_user, login, typed, login, "accountant")
            secret = await database.write(create_application_password, login, "till")
            for domain in ("xn--bcher-kva.example", "XN--Bcher-KVA.Example", "b\u00fccher.example"):
                assert_signed_in(await anonymous.get("", headers=basic(f"{login}@{domain}:{secret}")))
        with pytest.raises(users.UserError, match="exists already"):
            await database.write(users.create_user, "eve", "ada@b\u00fccher.example", "Eve", "worker")


class TestSecrets(OnSQLite):
    async def test_demo_password_is_rejected_outside_the_demo(self, anonymous: httpx.AsyncClient) -> None:
        """Guarantee A14."""
        assert_refused(await anonymous.get("", headers=basic("username:application_password")))

    async def test_only_letters_and_digits_of_a_secret_count(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_hash, "worker", application_passwords.digest("abcdefghijklmnopqrstuvwx"))
        for written in (
            "abcdefghijklmnopqrstuvwx",
            "abcd efgh ijkl mnop qrst uvwx",
            "abcd-efgh-ijkl-mnop-qrst-uvwx",
            " abcd  efghijkl mnop qrst uvwx\n",
            "ab:cd:efghijklmnopqrstuvwx",
            "abcd\0efgh\u00a0ijklmnopqrstuvwx",
        ):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{written}")))

    async def test_every_application_password_of_a_user_counts(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        made = [await database.write(create_application_password, "worker", name) for name in "abc"]
        for secret in (*made, WORKER, *map(application_passwords.format_for_display, made)):
            assert_signed_in(await anonymous.get("", headers=basic(f"worker:{secret}")))

    async def test_other_secrets_than_application_passwords_are_rejected(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        """Among the refused are an account's login password, its names and its hashes."""
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        for name, secret in [
            ("legacy", LOGIN_PASSWORD),
            ("legacy", LEGACY_HASH),
            ("legacy", "legacy"),
            ("worker", application_passwords.digest(WORKER)),
            ("worker", application_passwords.digest(WORKER).removeprefix("$generic$")),
            ("worker", WORKER.swapcase()),
            ("worker", WORKER[:-1]),
            ("worker", "worker"),
            ("worker", secret_of("manager")),
        ]:
            assert_refused(await anonymous.get("", headers=basic(f"{name}:{secret}")))

    async def test_empty_secret_is_rejected_even_if_its_slow_hash_is_stored(
        self, database: Database, anonymous: httpx.AsyncClient
    ) -> None:
        await database.write(store_hash, "worker", quick_legacy_hash(""))
        for secret in ("", " ", "-", "x" * 5000):
            assert_refused(await anonymous.get("", headers=basic(f"worker:{secret}")))


class TestRefusals(OnSQLite):
    """A rejected request learns nothing about the account, from the response or from its duration."""

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

    async def test_failed_login_has_the_same_bytes_for_every_cause(
        self, database: Database, anonymous: httpx.AsyncClient, names: list[str]
    ) -> None:
        revoked = await database.write(create_application_password, "worker", "revoked")
        [*_, last] = await database.scan(list_application_passwords, "worker")
        await database.write(revoke_application_password, last["id"])
        causes = [(name, secret) for name in names for secret in ("wrong", secret_of("manager"), revoked, "")]
        answers = [await self._refuse(anonymous, *cause) for cause in causes]
        assert answers == [answers[0]] * len(causes)

    async def test_failed_login_runs_the_same_statements_and_no_slow_hash(
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

    async def test_failed_login_costs_the_same_for_an_account_with_two_slow_hashes(
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

    async def test_failed_login_costs_one_slow_hash_if_the_site_has_any(
        self, database: Database, anonymous: httpx.AsyncClient, names: list[str], work: Work
    ) -> None:
        await database.write(store_user, "legacy")
        await database.write(store_hash, "legacy", LEGACY_HASH)
        for name in (*names, "legacy", "legacy@shop.example"):
            work.rounds.clear()
            await self._refuse(anonymous, name)
            assert work.rounds == [13], name


class TestTiming(OnSQLite):
    """Guarantee A5: the time of a refusal does not depend on whether the name is known."""

    async def test_failed_login_takes_as_long_for_known_as_for_unknown_names(
        self, app: FastAPI, caplog: pytest.LogCaptureFixture
    ) -> None:
        # Written or not, a line is the same work for both.
        caplog.set_level(logging.ERROR, "fluent_cart.security")
        auc = [await self._auc(app, 700)]
        # By chance it is off by 0.015 (standard error), so twice as many pairs decide.
        if not 0.45 <= auc[-1] <= 0.55:
            auc.append(await self._auc(app, 1400))
        assert 0.45 <= auc[-1] <= 0.55, auc

    @staticmethod
    async def _auc(app: FastAPI, pairs: int) -> float:
        """Return the chance that a request with a known name takes longer than one with an unknown name."""
        times: dict[str, list[float]] = {"worker": [], "nobody": []}
        order = random.Random(5)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: Any) -> None:
            pass

        for _ in range(pairs):
            for name in order.sample(sorted(times), 2):
                [(header, value)] = basic(f"{name}:wrong").items()
                scope = {
                    "type": "http", "method": "GET", "path": PREFIX, "query_string": b"", "scheme": "http",
                    "headers": [(header.lower().encode(), value.encode())], "client": ("127.0.0.1", 1),
                }  # fmt: skip
                began = time.thread_time_ns()
                await app(scope, receive, send)
                times[name].append(time.thread_time_ns() - began)
        ranked = sorted((taken, name) for name, of_name in times.items() for taken in of_name)
        slower = sum(rank for rank, (_, name) in enumerate(ranked, start=1) if name == "worker")
        return (slower - pairs * (pairs + 1) / 2) / pairs**2


class TestOtherProcesses:
    """A change in one process counts for the next request of all others, because nothing is cached."""

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

    async def test_other_processes_see_passwords_come_and_go_at_once(
        self, database: Database, elsewhere: httpx.AsyncClient
    ) -> None:
        [first] = await database.scan(list_application_passwords, "worker")
        secret = await database.write(create_application_password, "worker", "new")
        new = httpx.BasicAuth("worker", secret)
        assert_signed_in(await elsewhere.get("", auth=new))
        await database.write(revoke_application_password, first["id"])
        assert_refused(await elsewhere.get(""))
        assert_signed_in(await elsewhere.get("", auth=new))

    async def test_other_processes_see_another_role_and_the_end_of_a_user_at_once(
        self, database: Database, elsewhere: httpx.AsyncClient
    ) -> None:
        for role, status in [("subscriber", 403), ("accountant", 200), ("", 403), ("manager", 200)]:
            await database.write(users.set_role, "worker", role)
            assert (await elsewhere.get("")).status_code == status
        await database.write(users.delete_user, "worker")
        assert_refused(await elsewhere.get(""))


class TestAdmission:
    async def test_admitted_request_has_its_user_and_all_headers(self) -> None:
        app = FastAPI()
        app.state.limits = create_limits(Settings(rate_limit=1, _env_file=None))
        scope = {"type": "http", "app": app}
        request, context = Request(scope), request_context(scope)
        context.response_headers = ((b"x-wp-nonce", b"0"),)
        admit(request, CurrentUser(7, "ada", "worker"))
        assert context.user_id == 7
        assert CALLER.get() == Caller(7, request.receive)
        assert [name for name, _ in context.response_headers] == [
            b"x-wp-nonce",
            b"x-ratelimit-limit",
            b"x-ratelimit-remaining",
            b"x-ratelimit-reset",
        ]
