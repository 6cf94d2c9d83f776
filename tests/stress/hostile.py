"""Callers who mean harm: slow, huge, many."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.stress.guarantees import Figure, Scale, at_most, exactly, guarantee, measured, none
from tests.stress.shops import REQUESTS, SQLITE, Shop, serving
from tests.stress.soak import resident
from tests.support.load import BROKEN, HOST, Answer, Client, connected, percentile

HALF_HEADS, HALF_BODIES = 700, 200
UPLOADS, UPLOAD_BYTES = 20, 100_000_000
# Between the requests of an everyday caller, who shares the machine with the hostile ones.
PAUSE_SECONDS = 0.01


async def paced(clients: Iterable[Client], seconds: float) -> list[Answer]:
    """Let everyday callers read at a limited rate. Return their responses."""
    end = time.monotonic() + seconds
    answers: list[Answer] = []

    async def call(client: Client) -> None:
        while time.monotonic() < end:
            answers.append(await client.send(REQUESTS.read("/1")))
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*map(call, clients))
    return answers


@guarantee("E12", f"{HALF_HEADS} heads and {HALF_BODIES} bodies that are never finished", SQLITE)
async def half_open(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    create = REQUESTS.create("never@fire.example").content
    head, body = create[: create.index(b"\r\n\r\n")], create[:-5]
    with serving(shop) as running:
        async with connected(running.port, 4) as everyday:
            await paced(everyday, 1)
            idle = await paced(everyday, 5)
            peers = [
                asyncio.create_task(_seconds_until_closed(running.port, start))
                for start in [head] * HALF_HEADS + [body] * HALF_BODIES
            ]
            beside = await paced(everyday, 21)
            open_for = await asyncio.gather(*peers)
    closed = [seconds for seconds in open_for if seconds is not None]
    before, meanwhile = percentile(idle, 0.99) * 1000, percentile(beside, 0.99) * 1000
    return [
        none(f"of {len(peers)} still open after 20 s", len(peers) - sum(seconds <= 20 for seconds in closed)),
        measured("longest open, s", f"{max(closed, default=0):.1f}"),
        none(f"other answers to {len(beside):,} everyday requests than 200", sum(not a.ok for a in beside)),
        # Three times a fraction of a millisecond is more exact than any clock here.
        at_most("99 of 100 everyday requests took", meanwhile, max(3 * before, 10), "ms"),
        measured("and before, ms", f"{before:.1f}"),
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


@guarantee("C4", f"{UPLOADS} uploads of 100 MB at once, half of them without a length", SQLITE)
async def uploads(shop: Shop, scale: Scale) -> list[Figure]:
    shop.add_customers(1)
    with serving(shop) as running:
        async with connected(running.port, 4) as everyday:
            await paced(everyday, 1)
            workers = [Path(f"/proc/{worker}") for worker in running.workers()]
            most = before = [resident(worker) for worker in workers]
            sending = asyncio.gather(*(_upload(running.port, n % 2 == 0) for n in range(UPLOADS)))
            beside = asyncio.create_task(paced(everyday, 1))
            while not (sending.done() and beside.done()):
                most = [max(pair) for pair in zip(most, map(resident, workers), strict=True)]
                await asyncio.sleep(0.005)
            answers = await sending
    sent = sum(bytes_sent for _, bytes_sent in answers)
    return [
        at_most("memory that both workers together had more at any time", sum(most) - sum(before), 64, "MiB"),
        exactly("answers 413", sum(status == 413 for status, _ in answers), UPLOADS),
        measured("sent before they were refused, MB in all", f"{sent / 1e6:.0f}"),
        none("other answers to everyday requests than 200", sum(not a.ok for a in await beside)),
    ]


async def _upload(port: int, has_length: bool) -> tuple[int, int]:
    """Send as many bytes as the server accepts. Return the status and the number of bytes."""
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
