"""It goes on answering while its database, its workers and its version come and go."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import repeat

import psycopg

from tests.stress.durability import creations
from tests.stress.existing import run_test
from tests.stress.guarantees import Figure, Scale, at_least, at_most, exactly, guarantee, measured, none
from tests.stress.history import History
from tests.stress.shops import POSTGRESQL, REQUESTS, SQLITE, Shop, aside, serving
from tests.support.load import BROKEN, HOST, Answer, answers_of, ask, connected, eventually, loading, statuses
from tests.support.server import Server, started, until


@guarantee("E4", "PostgreSQL stopped fast, immediately and by SIGKILL, three times each", POSTGRESQL)
async def outage(shop: Shop, scale: Scale) -> list[Figure]:
    return await run_test("tests/database/test_outage.py::test_outage_is_503_and_loses_nothing", shop.folder)


@guarantee("E5", "all connections terminated by an administrator, 5 times under load", POSTGRESQL)
async def terminated(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    history, ended = History(), 0
    with serving(shop) as running, psycopg.connect(shop.url, autocommit=True) as administrator:
        async with connected(running.port, 16) as clients:
            readers, writers = clients[:8], clients[8:]
            async with (
                loading(readers, repeat(REQUESTS.read("/1"))),
                loading(writers, creations("terminated.example")),
            ):
                for number in range(1, 6):
                    await asyncio.sleep(0.7)
                    # On a busy machine it takes longer until there is something to end.
                    await eventually(lambda: len(answers_of(clients)) >= 100 * number)  # noqa: B023
                    ended += administrator.execute(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    ).fetchall()[0][0]
                await asyncio.sleep(0.7)
            answers = answers_of(clients)
            history.add(answers)
    failed = [answer for answer in answers if not answer.ok]
    return [
        none("other answers than 200 and 503", len(set(statuses(answers)) - {200, 503})),
        at_most("failed requests, one for each connection that was ended", len(failed), ended),
        none("503 without Retry-After", sum(not answer.header("Retry-After") for answer in failed)),
        at_least("requests", len(answers), 500),
        *history.figures(shop.emails() - {"customer0@fire.example"}, in_doubt=True),
    ]


@guarantee("E6", "started while the database is down", POSTGRESQL)
async def started_without(shop: Shop, scale: Scale) -> list[Figure]:
    return await run_test(
        "tests/server/test_process.py::TestStart::test_server_without_its_database_waits_for_it", shop.folder
    )


@guarantee("E8", "SIGTERM under 16 writers, with a request under way for 5 s, 5 times")
async def stopped(shop: Shop, scale: Scale) -> list[Figure]:
    history, late, others, slowest = History(), 0, 0, 0.0
    rounds = min(scale.cycles, 5)
    for number in range(rounds):
        with serving(shop) as running:
            async with connected(running.port, 16) as clients, _half_sent(running, f"late{number}") as slow:
                async with loading(clients, creations(f"stop{number}.example")):
                    await asyncio.sleep(0.7)
                    began = time.monotonic()
                    running.process.send_signal(signal.SIGTERM)
                    await asyncio.sleep(5)
                    late += await slow.finish()
                await asyncio.to_thread(running.process.wait, 15)
                slowest = max(slowest, time.monotonic() - began)
                answers = answers_of(clients)
            history.add(answers)
            others += sum(answer.status not in (200, BROKEN) for answer in answers)
    stored = {email for email in shop.emails() if not email.startswith("late")}
    return [
        *history.figures(stored),
        none("committed, but not acknowledged", len(stored - history.acknowledged)),
        none("other answers than 200", others),
        exactly("requests of 5 s that were completed", late, rounds),
        at_most("longest stop", slowest, 10, "s"),
        at_least("acknowledged in all", len(history.acknowledged), 20 * rounds),
    ]


class _Slow:
    """A request whose body is half sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> None:
        self._reader, self._writer, self._rest = reader, writer, rest

    async def finish(self) -> bool:
        """Send the rest, and return whether the answer is 200."""
        with suppress(OSError):
            self._writer.write(self._rest)
            return (await self._reader.read()).startswith(b"HTTP/1.1 200 ")
        return False


@asynccontextmanager
async def _half_sent(running: Server, name: str) -> AsyncIterator[_Slow]:
    reader, writer = await asyncio.open_connection(HOST, running.port)
    head, _, body = REQUESTS.create(f"{name}@late.example").content.partition(b"\r\n\r\n")
    writer.write(head + b"\r\nExpect: 100-continue\r\n\r\n")
    # It sends 100 Continue when it has read the head and waits for the body.
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(body[:5])
    yield _Slow(reader, writer, body[5:])
    writer.close()


@guarantee("E9", "workers replaced by SIGHUP, 5 times, under load over new connections", SQLITE)
async def replaced(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    answers: list[Answer] = []
    rounds, given_up = min(scale.cycles, 5), 0
    with serving(shop) as running:
        async with _asking(running.port, answers):
            for _ in range(rounds):
                before = set(running.workers())
                # The old worker stays if a new one is not ready in time, so the signal is sent again.
                while before & set(running.workers()):
                    refused = _refusals(shop)
                    running.process.send_signal(signal.SIGHUP)
                    await asyncio.to_thread(
                        until,
                        lambda: not before & set(running.workers()) or _refusals(shop) > refused,  # noqa: B023
                        "others in their place",
                        40,
                    )
                    given_up += _refusals(shop) - refused
            await eventually(lambda: len(answers) >= 250 * scale.cycles)
    return [
        none(f"failed of {len(answers):,} requests", sum(not answer.ok for answer in answers)),
        at_least("requests", len(answers), 250 * scale.cycles),
        measured("replacements that were put off, because the machine was busy", given_up),
        measured("longest wait of a request, s", f"{max(answer.seconds for answer in answers):.2f}"),
    ]


@guarantee("E10", "restarted 5 times under load over new connections, its socket kept by its parent", SQLITE)
async def restarted(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    answers: list[Answer] = []
    rounds = min(scale.cycles, 5)
    with socket.create_server((HOST, 0), backlog=1024) as listening:
        async with AsyncExitStack() as running:
            await running.enter_async_context(aside(serving(shop, listening=listening)))
            async with _asking(listening.getsockname()[1], answers):
                for number in range(rounds):
                    await eventually(lambda: len(answers) >= (number + 1) * 400)  # noqa: B023
                    await running.aclose()
                    await running.enter_async_context(aside(serving(shop, listening=listening)))
                await eventually(lambda: len(answers) >= (rounds + 1) * 400)
    return [
        at_most(f"failed of {len(answers):,} requests", sum(not a.ok for a in answers), 1),
        at_least("requests", len(answers), 2000),
        at_most("longest wait of a request", max(answer.seconds for answer in answers), 5, "s"),
    ]


def _refusals(shop: Shop) -> int:
    return (shop.folder / "server.log").read_text().count("aborting the restart")


@asynccontextmanager
async def _asking(port: int, answers: list[Answer]) -> AsyncIterator[None]:
    """Let eight callers send requests, each over a new connection."""
    stop = asyncio.Event()

    async def call() -> None:
        while not stop.is_set():
            answers.append(await ask(port, REQUESTS.read("/1")))
            # The server is to be busy, not the machine: a new worker needs some of it.
            await asyncio.sleep(0.01)

    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(call())
        try:
            yield
        finally:
            stop.set()


@guarantee("E11", "a worker killed, a worker hung, the supervisor killed", SQLITE)
async def worker_lost(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    answers: list[Answer] = []
    with serving(shop) as running:
        async with _asking(running.port, answers):
            killed = await asyncio.to_thread(_seconds_to_replace, shop, running, signal.SIGKILL)
            hung = await asyncio.to_thread(_seconds_to_replace, shop, running, signal.SIGSTOP)
        workers = running.workers()
        began = time.monotonic()
        running.process.kill()
        await asyncio.to_thread(until, lambda: not _listens(running.port), "no orphans")
        await asyncio.to_thread(until, lambda: not any(map(_runs, workers)), "no orphans")
        gone = time.monotonic() - began
    return [
        at_most("a killed worker is replaced in", killed, 2, "s"),
        at_most("a hung worker is replaced in", hung, 12, "s"),
        at_most("workers without a supervisor are gone in", gone, 2, "s"),
        # At most what the two workers had under way: eight callers.
        at_most(f"failed of {len(answers):,} requests meanwhile", sum(not a.ok for a in answers), 16),
    ]


def _seconds_to_replace(shop: Shop, running: Server, way: signal.Signals) -> float:
    known = started(shop.folder)
    began = time.monotonic()
    os.kill(running.workers()[0], way)
    until(lambda: len(started(shop.folder)) > len(known), "another in its place")
    return time.monotonic() - began


def _runs(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(5)
        return caller.connect_ex((HOST, port)) == 0
