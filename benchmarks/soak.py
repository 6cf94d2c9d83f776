"""Whether a worker's memory stays what it is under load that does not end."""

import sys
from collections.abc import Iterator, Sequence

from benchmarks import machine
from benchmarks.databases import databases
from benchmarks.load import load
from benchmarks.markdown import facts, page, table
from benchmarks.queries import SEARCH_LOAD
from benchmarks.registry import RIVALS
from benchmarks.servers import Server, serve
from benchmarks.targets import MEMORY_MB
from benchmarks.workloads import CUSTOMERS, GET_ONE, LIST_10, LIST_100, MIXED, UPDATE

# A minute in all, without creations, because they would make the shop grow.
SHARES = (GET_ONE, LIST_10, LIST_100, SEARCH_LOAD, MIXED, UPDATE)
SECONDS = 60 // len(SHARES)


def measure(minutes: int) -> tuple[str, list[str]]:
    """Load this server on each database for ``minutes``. Return the page and the failures."""
    failures: list[str] = []
    columns: dict[str, list[str]] = {}
    with databases() as shops:
        for arm in filter(shops.offers, RIVALS):
            with serve(arm, shops.fresh(arm, CUSTOMERS)) as server:
                columns[arm.title] = [f"{size:.0f}" for size in _sizes(server, minutes, failures)]
        where = machine.facts(shops.version())
    rows: list[Sequence[str]] = [
        [str(minute), *sizes] for minute, sizes in enumerate(zip(*columns.values(), strict=True))
    ]
    text = (
        f"Resident memory of the one worker in MB after each minute of load; at most {MEMORY_MB} is to hold."
    )
    return page("Memory", text, table(("minute", *columns), rows), facts(where)), failures


def _sizes(server: Server, minutes: int, failures: list[str]) -> Iterator[float]:
    yield server.memory() / 1e6
    for minute in range(1, minutes + 1):
        for workload in SHARES:
            if failed := load(server.port, workload, SECONDS).failures:
                failures.append(f"{server.arm.name}, {workload.name}: {failed} answers were not 2xx")
        size = server.memory() / 1e6
        print(f"{server.arm.name}, minute {minute}: {size:.0f} MB", file=sys.stderr, flush=True)
        yield size
