"""Callers who mean harm: slow, huge, many, or no longer allowed."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import repeat
from pathlib import Path

from passlib.hash import phpass
from sqlalchemy import insert

from fluent_cart.app import PREFIX
from fluent_cart.clock import now
from fluent_cart.database import connect
from fluent_cart.models import ApplicationPassword
from fluent_cart.services import users
from tests.fire.bars import Figure, Scale, at_least, at_most, bar, exactly, none, told
from tests.fire.shops import REQUESTS, SQLITE, Shop, serving
from tests.fire.soak import resident
from tests.load import (
    BROKEN,
    HOST,
    Answer,
    Client,
    Requests,
    answers_of,
    connected,
    eventually,
    loading,
    percentile,
    statuses,
)

HALF_HEADS, HALF_BODIES = 700, 200
UPLOADS, UPLOAD_BYTES = 20, 100_000_000
# Between the requests of an everyday caller, who shares the machine with the hostile ones.
PAUSE_SECONDS = 0.01
ELSEWHERE = "127.0.0.2"

MISSING = {
    "A7, sign-out and change of password": "there is no sign-in by cookie yet",
}


async def _paced(clients: Iterable[Client], seconds: float) -> list[Answer]:
    """Let everyday callers read, not as fast as they can; return their answers."""
    end = time.monotonic() + seconds
    answers: list[Answer] = []

    async def call(client: Client) -> None:
        while time.monotonic() < end:
            answers.append(await client.send(REQUESTS.read("/1")))
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*map(call, clients))
    return answers


@bar("E12", f"{HALF_HEADS} heads and {HALF_BODIES} bodies that are never finished", SQLITE)
async def half_open(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    create = REQUESTS.create("never@fire.example").content
    head, body = create[: create.index(b"\r\n\r\n")], create[:-5]
    with serving(shop) as running:
        async with connected(running.port, 4) as everyday:
            await _paced(everyday, 1)
            idle = await _paced(everyday, 5)
            peers = [
                asyncio.create_task(_seconds_until_closed(running.port, start))
                for start in [head] * HALF_HEADS + [body] * HALF_BODIES
            ]
            beside = await _paced(everyday, 21)
            open_for = await asyncio.gather(*peers)
    closed = [seconds for seconds in open_for if seconds is not None]
    before, meanwhile = percentile(idle, 0.99) * 1000, percentile(beside, 0.99) * 1000
    return [
        none(f"of {len(peers)} still open after 20 s", len(peers) - sum(seconds <= 20 for seconds in closed)),
        told("longest open, s", f"{max(closed, default=0):.1f}"),
        none(f"other answers to {len(beside):,} everyday requests than 200", sum(not a.ok for a in beside)),
        # Three times a fraction of a millisecond is more exact than any clock here.
        at_most("99 of 100 everyday requests took", meanwhile, max(3 * before, 10), "ms"),
        told("and before, ms", f"{before:.1f}"),
    ]


async def _seconds_until_closed(port: int, start: bytes) -> float | None:
    """Return how long the server keeps a connection that goes no further than ``start``."""
    reader, writer = await asyncio.open_connection(HOST, port)
    began = time.monotonic()
    writer.write(start)
    try:
        async with asyncio.timeout(25):
            await reader.read()
            return time.monotonic() - began
    except OSError:
        return time.monotonic() - began
    except TimeoutError:
        return None
    finally:
        writer.close()


@bar("A7", "64 clients at 4 workers, whose password or user is deleted, or loses its role, meanwhile")
async def revoked(shop: Shop, scale: Scale) -> list[Figure]:
    """What counts is every request that began after the change was acknowledged."""
    shop.add_customers(1)
    wanted = int(2000 * scale.seconds / Scale().seconds)
    figures: list[Figure] = []
    with serving(shop, 4) as running:
        for name, revoke in WAYS.items():
            with connect(shop.url) as connection:
                users.create_user(connection, name, f"{name}@fire.example", "", "manager")
                secret = users.create_application_password(connection, name, "fire")
            requests = Requests(PREFIX, name, secret)
            async with connected(running.port, 64) as clients:
                async with asyncio.timeout(60), loading(clients, repeat(requests.read("/1"))):
                    await asyncio.sleep(0.5)
                    await asyncio.to_thread(revoke, shop, name)
                    acknowledged = time.monotonic()
                    await eventually(lambda: len(_begun_after(acknowledged, clients)) >= wanted)  # noqa: B023
                after = _begun_after(acknowledged, clients)
                before = [answer for answer in answers_of(clients) if answer.ended < acknowledged]
            what = name.replace("-", " ")
            figures += [
                none(f"{what}: accepted of {len(after):,} requests afterwards", sum(a.ok for a in after)),
                none(
                    f"{what}: other answers than 401 and 403", sum(a.status not in (401, 403) for a in after)
                ),
                at_least(f"{what}: requests afterwards", len(after), wanted),
                at_least(f"{what}: accepted before", sum(a.ok for a in before), 64),
            ]
    return figures


def _begun_after(moment: float, clients: Iterable[Client]) -> list[Answer]:
    return [answer for answer in answers_of(clients) if answer.began > moment]


def _delete_password(shop: Shop, login: str) -> None:
    with connect(shop.url) as connection:
        [password] = users.list_application_passwords(connection, login)
        users.revoke_application_password(connection, password["id"])


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


@bar("A9", "32 clients guess the password of an imported account, whose hash is slow", SQLITE)
async def guessing(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    with connect(shop.url) as connection:
        user_id = users.create_user(connection, "imported", "imported@fire.example", "", "manager")
        for number in range(users.MAX_LEGACY):
            fields = {"user_id": user_id, "name": "old", "password_hash": phpass.hash(f"secret {number}")}
            connection.execute(insert(ApplicationPassword), fields | {"created_at": now()})
    guesses_of = Requests(PREFIX, "imported", "wrong")
    # Whoever guesses may be stopped for it, as by default.
    with serving(shop, environment={"FLUENT_CART_GUESS_LIMIT": "10"}) as running:
        async with (
            connected(running.port, 4) as everyday,
            connected(running.port, 32, ELSEWHERE) as guessers,
        ):
            await _paced(everyday, 1)
            idle = percentile(await _paced(everyday, 3), 0.99) * 1000
            async with loading(guessers, repeat(guesses_of.read("/1"))):
                beside = await _paced(everyday, scale.seconds)
        guesses = answers_of(guessers)
    return [
        at_most(
            "99 of 100 everyday requests took", percentile(beside, 0.99) * 1000, max(25, 10 * idle), "ms"
        ),
        told("and before, ms", f"{idle:.1f}"),
        none(f"other answers to {len(beside):,} everyday requests than 200", sum(not a.ok for a in beside)),
        none("other answers to guesses than 401 and 429", len(set(statuses(guesses)) - {401, 429})),
        told("guesses answered 401", statuses(guesses)[401]),
        told("guesses answered 429", statuses(guesses)[429]),
    ]


@bar("C4", f"{UPLOADS} uploads of 100 MB at once, half of them without a length", SQLITE)
async def uploads(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    with serving(shop) as running:
        async with connected(running.port, 4) as everyday:
            await _paced(everyday, 1)
            workers = [Path(f"/proc/{worker}") for worker in running.workers()]
            most = before = [resident(worker) for worker in workers]
            sending = asyncio.gather(*(_upload(running.port, n % 2 == 0) for n in range(UPLOADS)))
            beside = asyncio.create_task(_paced(everyday, 1))
            while not (sending.done() and beside.done()):
                most = [max(pair) for pair in zip(most, map(resident, workers), strict=True)]
                await asyncio.sleep(0.005)
            answers = await sending
    sent = sum(bytes_sent for _, bytes_sent in answers)
    return [
        at_most("memory that both workers together had more at any time", sum(most) - sum(before), 64, "MiB"),
        exactly("answers 413", sum(status == 413 for status, _ in answers), UPLOADS),
        told("sent before they were refused, MB in all", f"{sent / 1e6:.0f}"),
        none("other answers to everyday requests than 200", sum(not a.ok for a in await beside)),
    ]


async def _upload(port: int, has_length: bool) -> tuple[int, int]:
    """Send as much as the server takes; return the status, and how many bytes went out."""
    reader, writer = await asyncio.open_connection(HOST, port)
    head = REQUESTS.create("huge@fire.example").content.partition(b"Content-Length")[0]
    piece = b"x" * 65536
    if has_length:
        head += b"Content-Length: %d\r\n\r\n" % UPLOAD_BYTES
    else:
        head, piece = head + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n%b\r\n" % piece
    answer, sent = asyncio.create_task(_status(reader)), 0
    with suppress(OSError):
        writer.write(head)
        while sent < UPLOAD_BYTES and not answer.done():
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
    status = await answer
    writer.close()
    return status, sent


async def _status(reader: asyncio.StreamReader) -> int:
    try:
        return int((await reader.readuntil(b"\r\n")).split()[1])
    except (OSError, asyncio.IncompleteReadError):
        return BROKEN
