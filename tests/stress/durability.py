"""Acknowledged writes survive failures of processes, power, disks and backups."""

import asyncio
import re
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count, repeat
from pathlib import Path

import psycopg

from tests.stress.guarantees import (
    Figure,
    NotRun,
    Scale,
    at_least,
    at_most,
    exactly,
    guarantee,
    measured,
    none,
)
from tests.stress.history import History
from tests.stress.shops import POSTGRESQL, REQUESTS, SQLITE, Shop, serving
from tests.support.load import Request, answers_of, connected, loading, statuses
from tests.support.server import Server

WRITERS = 16
LOAD_SECONDS = 0.7
SYNCS_OF = 200


def creations(domain: str) -> Iterator[Request]:
    return (REQUESTS.create(f"{number}@{domain}") for number in count())


def damage(file: Path) -> int:
    """Return how much SQLite finds wrong with a database file."""
    with closing(sqlite3.connect(file)) as connection:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check")]
    return 0 if found == ["ok"] else len(found)


async def write_until_killed(running: Server, domain: str, history: History) -> None:
    """Let many write, and kill every process of the server among it."""
    async with connected(running.port, WRITERS) as clients:
        async with loading(clients, creations(domain)):
            await asyncio.sleep(LOAD_SECONDS)
            running.kill_all()
        history.add(answers_of(clients))


@guarantee("E1", "SIGKILL of all processes under 16 writers")
async def killed(shop: Shop, scale: Scale) -> list[Figure]:
    history, slowest = History(), 0.0
    for cycle in range(scale.cycles):
        began = time.monotonic()
        with serving(shop) as running:
            slowest = max(slowest, time.monotonic() - began)
            await write_until_killed(running, f"kill{cycle}.example", history)
    figures = history.figures(shop.emails())
    figures.append(at_least("acknowledged in all", len(history.acknowledged), 20 * scale.cycles))
    if shop.database == SQLITE:
        figures.append(none("errors that integrity_check finds", damage(shop.file)))
    figures.append(at_most("longest start, until all workers serve", slowest, 5, "s"))
    return figures


@guarantee("E2", "power cut under 16 writers: only what was synced is left", SQLITE)
async def power_cut(shop: Shop, scale: Scale) -> list[Figure]:
    library = _power_cut_library(shop.folder)
    data, disk = shop.file.parent, shop.folder / "disk"
    shutil.copytree(data, disk)
    environment = {"LD_PRELOAD": str(library), "FIRE_DATA": str(data), "FIRE_DISK": str(disk)}
    history, damaged = History(), 0
    lost: set[str] = set()
    for cycle in range(scale.cycles):
        with serving(shop, environment=environment) as running:
            await write_until_killed(running, f"cut{cycle}.example", history)
        # The files after a loss of power. The index of the log is only in memory.
        shutil.rmtree(data)
        shutil.copytree(disk, data, ignore=shutil.ignore_patterns("*-shm", "*.unfinished"))
        # Looking at it would tidy it up unseen, so that the next cut looked worse than it is.
        copy = shutil.copytree(data, shop.folder / f"cut{cycle}") / shop.file.name
        damaged += damage(copy) > 0
        lost |= history.acknowledged - Shop(SQLITE, f"sqlite:///{copy}", shop.folder).emails()
    return [
        none(f"lost of {len(history.acknowledged):,} acknowledged writes", len(lost)),
        none("there, but refused", len(history.refused & shop.emails())),
        none(f"damaged files after {scale.cycles} cuts", damaged),
        at_least("acknowledged in all", len(history.acknowledged), 20 * scale.cycles),
    ]


def _power_cut_library(folder: Path) -> Path:
    compiler = shutil.which("cc")
    if not compiler:
        raise NotRun("NO C COMPILER HERE, so no power can be cut")
    library = folder / "powercut.so"
    source = Path(__file__).with_name("powercut.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


@guarantee("E3", f"{SYNCS_OF} writes, one after the other, each reach the disk")
async def synced(shop: Shop, scale: Scale) -> list[Figure]:
    figures = await (_synced_by_server(shop) if shop.database == POSTGRESQL else _synced(shop))
    return [*figures, exactly("stored", len(shop.emails()), SYNCS_OF)]


async def _synced(shop: Shop) -> list[Figure]:
    tracer = shutil.which("strace")
    if not tracer:
        raise NotRun("NO STRACE HERE, so nobody counts syncs")
    trace = shop.folder / "trace"
    # As a grandchild, so that the server is still ours to stop.
    under = [tracer, "-D", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(trace)]

    def syncs() -> int:
        return len(re.findall(r"^\d+ +f(?:data)?sync\(", trace.read_text(), re.M))

    with serving(shop, workers=1, under=under) as running:
        before = syncs()
        await _write_in_turn(running)
        return [at_least("fsync and fdatasync", syncs() - before, SYNCS_OF)]


async def _synced_by_server(shop: Shop) -> list[Figure]:
    with psycopg.connect(shop.url, autocommit=True) as connection, serving(shop, workers=1) as running:

        def syncs() -> int:
            return int(connection.execute("SELECT wal_sync FROM pg_stat_wal").fetchall()[0][0])

        before = syncs()
        await _write_in_turn(running)
        # Sessions report what they did now and then, and for certain when they end.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [at_least("syncs of the write-ahead log", syncs() - before, SYNCS_OF)]


async def _write_in_turn(running: Server) -> None:
    async with connected(running.port, 1) as [client]:
        for _, request in zip(range(SYNCS_OF), creations("sync.example"), strict=False):
            await client.send(request)


@guarantee("E7", "a disk that is full, and then is not", SQLITE)
async def disk_full(shop: Shop, scale: Scale) -> list[Figure]:
    """No file may grow: what a full disk does, without the need to fill one."""
    shop.add_customers(1)
    history, writes = History(), creations("full.example")
    with serving(shop) as running:
        async with connected(running.port, 12) as clients:
            writers, readers = clients[:8], clients[8:]
            async with loading(writers, writes), loading(readers, repeat(REQUESTS.read("/1"))):
                await asyncio.sleep(0.5)
                sizes = [file.stat().st_size for file in shop.file.parent.iterdir()]
                _limit_files(running, max(sizes) + 64 * 1024)
                await asyncio.sleep(scale.seconds)
                full = [answer for answer in answers_of(writers) if not answer.ok]
                _limit_files(running, resource.RLIM_INFINITY)
                freed = time.monotonic()
                await asyncio.sleep(1)
        history.add(answers_of(writers))
        again = min((a.ended for a in answers_of(writers) if a.ok and a.began > freed), default=float("inf"))
    return [
        at_least("writes refused while full", len(full), 10),
        none(
            "answers to them but 503 with Retry-After",
            sum(not answer.header("Retry-After") for answer in full),
        ),
        none("other answers to reads than 200", sum(not answer.ok for answer in answers_of(readers))),
        at_least("reads", len(answers_of(readers)), 10),
        at_most("first write after there was room", again - freed, 1, "s"),
        none(
            "other answers to writes than 200 and 503", len(set(statuses(answers_of(writers))) - {200, 503})
        ),
        *history.figures(shop.emails() - {"customer0@fire.example"}),
        none("errors that integrity_check finds", damage(shop.file)),
    ]


def _limit_files(running: Server, size: int) -> None:
    for worker in running.workers():
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@guarantee("E13", "backup while 16 write, restored elsewhere")
async def backup(shop: Shop, scale: Scale) -> list[Figure]:
    file, history, seconds, lost, broken = shop.folder / "backup", History(), 0.0, 0, 0
    rounds = min(scale.cycles, 5)
    with serving(shop) as running:
        for number in range(rounds):
            async with connected(running.port, WRITERS) as clients:
                async with loading(clients, creations(f"backup{number}.example")):
                    await asyncio.sleep(LOAD_SECONDS)
                    history.add(answers_of(clients))
                    before = set(history.acknowledged)
                    began = time.monotonic()
                    await asyncio.to_thread(shop.run, "backup", str(file))
                    seconds = max(seconds, time.monotonic() - began)
                history.add(answers_of(clients))
            elsewhere = shop.elsewhere()
            await asyncio.to_thread(elsewhere.run, "restore", str(file))
            found = elsewhere.emails()
            lost += len(before - found) + len(found - history.acknowledged)
            broken += len(elsewhere.violations())
            if shop.database == SQLITE:
                elsewhere.file.unlink()
    return [
        none(f"wrong in {rounds} copies: acknowledged before and missing, or never acknowledged", lost),
        none("broken rules in the copies", broken),
        none("other answers than 200 meanwhile", len(history.refused | history.unknown)),
        at_least("written meanwhile", len(history.acknowledged), 20 * rounds),
        measured("longest backup, s", f"{seconds:.1f}"),
    ]
