"""Measures all arms under the same load: all are up at once and are loaded in turn, round after round."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median

from benchmarks.compare import compare
from benchmarks.databases import Databases, databases
from benchmarks.load import Result, load
from benchmarks.registry import ARMS, POSTGRESQL, STATIC, Arm
from benchmarks.servers import Server, serve
from benchmarks.workloads import CUSTOMERS, GET_ONE, WORKLOADS, Workload

STEADY = 0.20


@dataclass
class Measured:
    """All results of a run, by arm and workload, one for each round."""

    results: dict[tuple[Arm, Workload], list[Result]] = field(default_factory=dict)
    memory: dict[Arm, list[int]] = field(default_factory=dict)
    started_in: dict[Arm, list[float]] = field(default_factory=dict)
    postgresql: str | None = None

    @property
    def arms(self) -> list[Arm]:
        return [arm for arm in ARMS if any(arm is measured for measured, _ in self.results)]

    @property
    def workloads(self) -> list[Workload]:
        return [workload for workload in WORKLOADS if any(workload == each for _, each in self.results)]

    def median(self, arm: Arm, workload: Workload, what: str = "per_second") -> float:
        """Return the median of all rounds; 0 where nothing was measured."""
        results = self.results.get((arm, workload), [])
        return median(getattr(result, what) for result in results) if results else 0.0

    def failures(self) -> Iterator[str]:
        """Tell which answers were none: a table with these would be wrong."""
        for (arm, workload), results in self.results.items():
            if failures := sum(result.failures for result in results):
                yield f"{arm.name}, {workload.name}: {failures} answers were not 2xx"

    def unsteadiness(self) -> Iterator[str]:
        """Tell when the machine was faster at one time than at another."""
        for workload in self.workloads:
            speeds = [result.per_second for result in self.results.get((STATIC, workload), [])]
            if unsteady := unsteadiness(speeds):
                yield f"{workload.name}: {unsteady}"


def unsteadiness(speeds: Sequence[float]) -> str:
    """Tell by how much the machine was faster at one time than at another; nothing if it was steady."""
    moved = (max(speeds) - min(speeds)) / median(speeds) if speeds else 0.0
    return f"the machine was not steady, static bytes moved by {moved:.0%}" if moved > STEADY else ""


def run(
    rounds: int, seconds: int, arms: Sequence[Arm] = ARMS, workloads: Sequence[Workload] = WORKLOADS
) -> Measured:
    """Compare all arms, then load them round by round."""
    with databases(any(arm.database == POSTGRESQL for arm in arms)) as shops:
        measured = Measured(postgresql=shops.version())
        offered = [arm for arm in arms if shops.offers(arm)]
        _say("Comparing the answers ...")
        with _all_up(offered, shops) as servers:
            compare(servers, workloads)
        for number in range(1, rounds + 1):
            _say(f"Round {number} of {rounds}")
            ordered = offered if number % 2 else offered[::-1]
            # What was written in the last round is gone: each begins with fresh copies.
            with _all_up(ordered, shops) as servers:
                _measure(measured, servers, workloads, seconds)
    return measured


@contextmanager
def _all_up(arms: Sequence[Arm], shops: Databases) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serve(arm, shops.fresh(arm, CUSTOMERS))) for arm in arms]


def _measure(
    measured: Measured, servers: Sequence[Server], workloads: Sequence[Workload], seconds: int
) -> None:
    for server in servers:
        # Connections open and caches fill before the clock runs.
        load(server.port, GET_ONE, seconds=1)
    for workload in workloads:
        for server in servers:
            result = load(server.port, workload, seconds)
            measured.results.setdefault((server.arm, workload), []).append(result)
            _say(f"  {workload.name:12} {server.arm.name:18} {result.per_second:10,.0f} /s")
    for server in servers:
        measured.memory.setdefault(server.arm, []).append(server.memory())
        measured.started_in.setdefault(server.arm, []).append(server.started_in)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
