"""Latencies in a shop of a million customers, on both databases, next to those of ten thousand."""

import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import httpx

from benchmarks import machine
from benchmarks.client import Tally, one_by_one
from benchmarks.databases import Databases, databases
from benchmarks.load import load
from benchmarks.markdown import facts, page, table
from benchmarks.queries import BEYOND, PAGE_1, QUERIES, SEARCH_LOAD, SEARCHES, Query
from benchmarks.registry import PROBED, RIVALS, STATIC, Arm
from benchmarks.run import unsteadiness
from benchmarks.servers import Server, serve
from benchmarks.workloads import CUSTOMERS, LIST_10

WARM_UP = 5
# No row takes much longer than this, however slow its answers are.
SECONDS_A_ROW = 20
# How much longer the first page may take among a million, and how long a handler may hold the loop.
PAGE_1_RATIO, HELD_MS = 1.3, 5
PROBE_SECONDS, PROBE_CONNECTIONS = 5, 8


class Row(NamedTuple):
    """A line of the table, with latencies in milliseconds."""

    name: str
    database: str
    p50: float
    p99: float
    goal: float | None = None
    # How long the usual application takes for the same.
    like: float | None = None

    def cells(self) -> list[str]:
        reached = "" if self.goal is None else ("yes" if self.p50 <= self.goal else "**no**")
        times = f"{self.like / self.p50:,.0f}" if self.like else ""
        goal = "" if self.goal is None else f"{self.goal:.3g}"
        return [f"{self.name}, {self.database}", f"{self.p50:.2f}", f"{self.p99:.2f}", goal, reached, times]


HEAD = ("", "p50", "p99", "p50 to hold", "held", "times faster than LIKE (hold: 100)")


class Measurement:
    """Sends the queries one after the other, and counts responses other than 2xx."""

    def __init__(self, requests: int, connections: int) -> None:
        self._requests, self._connections = requests, connections
        self.faults: list[str] = []

    def row(self, server: Server, query: Query, like: float | None = None) -> Row:
        tally = self._ask(server, query)
        row = Row(
            query.name,
            server.arm.database,
            tally.percentile(0.5),
            tally.percentile(0.99),
            query.goal(server.arm),
            like,
        )
        print(*row.cells(), sep="  ", file=sys.stderr, flush=True)
        return row

    def median(self, server: Server, query: Query) -> float:
        return self._ask(server, query).percentile(0.5)

    def _ask(self, server: Server, query: Query) -> Tally:
        warm = one_by_one(server.port, query.requests(WARM_UP))
        slow = warm.percentile(0.5) / 1000
        count = max(WARM_UP, min(self._requests, int(SECONDS_A_ROW / max(slow, 1e-4))))
        tally = one_by_one(server.port, query.requests(count, WARM_UP), self._connections)
        if failures := warm.failures + tally.failures:
            self.faults.append(f"{query.name}, {server.arm.name}: {failures} answers were not 2xx")
        return tally


def measure(
    customers: int, requests: int, connections: int, only: Sequence[str] = ()
) -> tuple[str, list[str], list[str]]:
    """Return the page, what went wrong, and why it may not be relied on.

    With ``only``, only the queries whose names have one of these texts are sent.
    """
    measurement = Measurement(requests, connections)
    rows: list[Row] = []
    with databases() as shops, serve(STATIC, "") as static:
        speeds = [_speed(static)]
        for arm in filter(shops.offers, RIVALS):
            if only:
                rows += _of_some(measurement, shops, arm, customers, only)
            else:
                rows += _of_database(measurement, shops, arm, customers)
            speeds.append(_speed(static))
        version = shops.version()
    text = (
        f"{customers:,} customers, twice as many addresses and half as many more orders. Asked over HTTP by"
        f" {connections} connection(s), each of which waits for its answer. Milliseconds."
    )
    cells = table(HEAD, (row.cells() for row in rows))
    doubts = [unsteady] if (unsteady := unsteadiness(speeds)) else []
    whole = page("A million customers", text, cells, facts(machine.facts(version)))
    return whole, measurement.faults, doubts


def _speed(static: Server) -> float:
    return load(static.port, LIST_10, PROBE_SECONDS).per_second


def _of_database(measurement: Measurement, shops: Databases, ours: Arm, customers: int) -> Iterator[Row]:
    _, usual = RIVALS[ours]
    with serve(ours, shops.fresh(ours, CUSTOMERS)) as server:
        small = measurement.row(server, PAGE_1)
        yield small._replace(name=f"{small.name} of {CUSTOMERS:,}")
    url = shops.fresh(ours, customers)
    # The usual application reads the same copy.
    with serve(usual, url) as server:
        like = {query: measurement.median(server, query) for query in SEARCHES}
    with serve(ours, url) as server:
        large = measurement.row(server, PAGE_1)
        yield large._replace(name=f"{large.name} of {customers:,}", goal=small.p50 * PAGE_1_RATIO)
        for query in SEARCHES:
            yield measurement.row(server, query, like[query])
        for query in (*QUERIES, *BEYOND):
            yield measurement.row(server, query)
    yield _longest_hold(ours, url)


def _of_some(
    measurement: Measurement, shops: Databases, ours: Arm, customers: int, only: Sequence[str]
) -> Iterator[Row]:
    with serve(ours, shops.fresh(ours, customers)) as server:
        for query in (*QUERIES, *BEYOND):
            if any(text in query.name for text in only):
                yield measurement.row(server, query)


def _longest_hold(ours: Arm, url: str) -> Row:
    """Return how long the event loop was held by one callback while searches came in."""
    with serve(PROBED, url) as server:
        httpx.delete(f"{server.address}/held")
        load(server.port, SEARCH_LOAD, PROBE_SECONDS, PROBE_CONNECTIONS)
        held = httpx.get(f"{server.address}/held").json()
    return Row("the event loop held, at most / 99.9 %", ours.database, held["longest"], held["p999"], HELD_MS)
