"""A small HTTP client: the load where wrk is not installed, and single requests, one after the other."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import cycle

import uvloop

from benchmarks import HOST

# No run may take longer than this, whatever a server does.
LIMIT_SECONDS = 900


class Tally:
    """The result of a load: latencies in seconds of all responses, and how many were not 2xx."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.failures = 0

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0


def load(
    port: int, requests: Sequence[bytes], seconds: float, connections: int
) -> tuple[float, float, float, int]:
    """Send requests over many connections. Return requests per second, p50, p99 (ms) and failures."""
    tally = _run(port, cycle(requests), connections, time.perf_counter() + seconds)
    return len(tally.latencies) / seconds, tally.percentile(0.5), tally.percentile(0.99), tally.failures


def one_by_one(port: int, requests: Sequence[bytes], connections: int = 1) -> Tally:
    """Send each request once. Each connection waits for a response before it sends the next request."""
    return _run(port, iter(requests), connections, float("inf"))


def _run(port: int, requests: Iterator[bytes], connections: int, end: float) -> Tally:
    tally = Tally()

    async def run() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.gather(*(_connection(port, requests, tally, end) for _ in range(connections)))

    uvloop.run(run())
    return tally


async def _connection(port: int, requests: Iterator[bytes], tally: Tally, end: float) -> None:
    reader, writer = await asyncio.open_connection(HOST, port, limit=2**24)
    try:
        for request in requests:
            began = time.perf_counter()
            if began >= end:
                break
            writer.write(request)
            status = await _read_answer(reader)
            tally.latencies.append(time.perf_counter() - began)
            tally.failures += not 200 <= status < 300
    except (OSError, asyncio.IncompleteReadError):
        tally.failures += 1
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> int:
    """Read an answer to its end and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, has_length, length = head.partition(b"content-length: ")
    if has_length:
        await reader.readexactly(int(length.partition(b"\r")[0]))
    else:  # in chunks, of which the last is empty
        await reader.readuntil(b"\r\n0\r\n\r\n")
    return int(head[9:12])
