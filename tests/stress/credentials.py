"""Callers whose credentials are wrong, or no longer right."""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import repeat
from statistics import median
from typing import NamedTuple

from passlib.hash import phpass
from sqlalchemy import insert

from fluent_cart.clock import now
from fluent_cart.database import connect
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import login_passwords
from fluent_cart.services import users
from fluent_cart.services.application_passwords import (
    MAX_LEGACY_HASHES,
    create_application_password,
    list_application_passwords,
    revoke_application_password,
)
from fluent_cart.wordpress.paths import AJAX, LOGIN, PREFIX
from tests.stress.guarantees import Figure, Scale, at_least, at_most, guarantee, measured, none
from tests.stress.hostile import paced
from tests.stress.shops import SQLITE, Shop, serving
from tests.support.load import (
    Answer,
    Client,
    Request,
    Requests,
    answers_of,
    ask,
    connected,
    eventually,
    form,
    loading,
    percentile,
    statuses,
)

ELSEWHERE = "127.0.0.2"
LOGIN_PASSWORD = "fire in the hole"


@guarantee("A7", "64 clients at 4 workers, whose password, session, user or role is taken away meanwhile")
async def revoked(shop: Shop, scale: Scale) -> list[Figure]:
    """Only requests count that began after the change was acknowledged."""
    shop.add_customers(1)
    wanted = int(2000 * scale.seconds / Scale().seconds)
    figures: list[Figure] = []
    with serving(shop, 4) as running:
        for name, revoke in WAYS.items():
            requests = Requests(PREFIX, name, _new_user(shop, name))
            figures += await _cut_off(running.port, name, requests, partial(revoke, shop, name), wanted)
        for name, end in ENDS.items():
            _new_user(shop, name)
            session = await _Session.begin(running.port, name)
            requests = Requests.of_session(PREFIX, session.cookie, session.nonce)
            figures += await _cut_off(running.port, name, requests, partial(end, shop, session), wanted)
    return figures


async def _cut_off(
    port: int, name: str, requests: Requests, revoke: Callable[[], None], wanted: int
) -> list[Figure]:
    async with connected(port, 64) as clients:
        async with asyncio.timeout(60), loading(clients, repeat(requests.read("/1"))):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(revoke)
            acknowledged = time.monotonic()
            await eventually(lambda: len(_begun_after(acknowledged, clients)) >= wanted)
        after = _begun_after(acknowledged, clients)
        before = [answer for answer in answers_of(clients) if answer.ended < acknowledged]
    what = name.replace("-", " ")
    return [
        none(f"{what}: accepted of {len(after):,} requests afterwards", sum(a.ok for a in after)),
        none(f"{what}: other answers than 401 and 403", sum(a.status not in (401, 403) for a in after)),
        at_least(f"{what}: requests afterwards", len(after), wanted),
        at_least(f"{what}: accepted before", sum(a.ok for a in before), 64),
    ]


def _new_user(shop: Shop, name: str) -> str:
    """Store a manager with both kinds of passwords. Return the application password."""
    with connect(shop.url) as connection:
        hashed = login_passwords.hash_password(LOGIN_PASSWORD)
        users.create_user(connection, name, f"{name}@fire.example", "", "manager", hashed)
        return create_application_password(connection, name, "fire")


class _Session(NamedTuple):
    port: int
    login: str
    cookie: str
    nonce: str

    @classmethod
    async def begin(cls, port: int, login: str) -> "_Session":
        begun = await ask(port, form(login, LOGIN_PASSWORD))
        cookie = (begun.header("set-cookie") or "").partition(";")[0]
        nonce = await ask(port, Requests.of_session(AJAX, cookie, "").read("?action=rest-nonce"))
        return cls(port, login, cookie, nonce.body.decode())


def _begun_after(moment: float, clients: Iterable[Client]) -> list[Answer]:
    return [answer for answer in answers_of(clients) if answer.began > moment]


def _delete_password(shop: Shop, login: str) -> None:
    with connect(shop.url) as connection:
        [password] = list_application_passwords(connection, login)
        revoke_application_password(connection, password["id"])


def _delete_user(shop: Shop, login: str) -> None:
    with connect(shop.url) as connection:
        users.delete_user(connection, login)


def _take_role(shop: Shop, login: str) -> None:
    with connect(shop.url) as connection:
        users.set_role(connection, login, "subscriber")


WAYS: dict[str, Callable[[Shop, str], None]] = {
    "password-revoked": _delete_password,
    "user-deleted": _delete_user,
    "role-taken": _take_role,
}


def _log_out(_shop: Shop, session: _Session) -> None:
    requests = Requests.of_session(LOGIN, session.cookie, session.nonce)
    answer = asyncio.run(ask(session.port, requests.read(f"?action=logout&_wpnonce={session.nonce}")))
    assert answer.status == 302


def _sign_out(shop: Shop, session: _Session) -> None:
    with connect(shop.url) as connection:
        assert users.sign_out(connection, session.login) == 1


def _change_password(shop: Shop, session: _Session) -> None:
    with connect(shop.url) as connection:
        users.set_password(connection, session.login, login_passwords.hash_password("another password"))


ENDS: dict[str, Callable[[Shop, _Session], None]] = {
    "logged-out": _log_out,
    "signed-out": _sign_out,
    "password-changed": _change_password,
}


@guarantee("A6", "the form takes as long to refuse a known name as an unknown one, at full cost", SQLITE)
async def timing(shop: Shop, scale: Scale) -> list[Figure]:
    order = random.Random(6)
    taken: dict[str, list[float]] = {"manager": [], "unknown": []}
    with serving(shop, 1) as running:
        for _ in range(scale.rounds):
            for name in order.sample(sorted(taken), 2):
                answer = await ask(running.port, form(name, "wrong"))
                assert answer.status == 403
                taken[name].append(answer.seconds * 1000)
    known, unknown = median(taken["manager"]), median(taken["unknown"])
    return [
        at_most("medians differ by", abs(known - unknown) / unknown * 100, 10, "%"),
        at_least("the unknown name, median", unknown, 20, "ms"),
        measured("the known name, median, ms", f"{known:.0f}"),
        measured("pairs", scale.rounds),
    ]


@guarantee("A9b", "32 clients sign in by form with wrong passwords", SQLITE)
async def guessing_by_form(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    return await _guess(shop, scale, form("manager", "wrong"), {403, 429})


@guarantee("A9", "32 clients guess the password of an imported account, whose hash is slow", SQLITE)
async def guessing(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    with connect(shop.url) as connection:
        user_id = users.create_user(connection, "imported", "imported@fire.example", "", "manager")
        for number in range(MAX_LEGACY_HASHES):
            fields = {"user_id": user_id, "name": "old", "password_hash": phpass.hash(f"secret {number}")}
            connection.execute(insert(ApplicationPassword), fields | {"created_at": now()})
    return await _guess(shop, scale, Requests(PREFIX, "imported", "wrong").read("/1"), {401, 429})


async def _guess(shop: Shop, scale: Scale, guess: Request, refusals: set[int]) -> list[Figure]:
    # Callers that guess may be limited, as by default.
    with serving(shop, environment={"FLUENT_CART_FAILED_LOGIN_LIMIT": "10"}) as running:
        async with (
            connected(running.port, 4) as everyday,
            connected(running.port, 32, ELSEWHERE) as guessers,
        ):
            await paced(everyday, 1)
            idle = percentile(await paced(everyday, 3), 0.99) * 1000
            async with loading(guessers, repeat(guess)):
                beside = await paced(everyday, scale.seconds)
        guesses = answers_of(guessers)
    return [
        at_most(
            "99 of 100 everyday requests took", percentile(beside, 0.99) * 1000, max(25, 10 * idle), "ms"
        ),
        measured("and before, ms", f"{idle:.1f}"),
        none(f"other answers to {len(beside):,} everyday requests than 200", sum(not a.ok for a in beside)),
        none(
            f"other answers to guesses than {' and '.join(map(str, sorted(refusals)))}",
            len(set(statuses(guesses)) - refusals),
        ),
        *(measured(f"guesses answered {status}", statuses(guesses)[status]) for status in sorted(refusals)),
    ]
