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
# How many times the rounds asked for are measured, until as many of them were steady.
AT_MOST = 2


@dataclass
class Measured:
    """All results of a run, by arm and workload, one for each round.

    On a shared machine some rounds are disturbed: of each workload those ``rounds`` count between which the
    static bytes moved least. No other arm counts for that.
    """

    rounds: int
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
        """Return the median of the rounds that count, or 0 if nothing was measured."""
        values = [getattr(result, what) for result in self._that_count(arm, workload)]
        return median(values) if values else 0.0

    def ratio(self, arm: Arm, rival: Arm, workload: Workload) -> float:
        """Return the median of each round's own ratio of speeds, or 0 if one of the two was not measured."""
        pairs = zip(self._that_count(arm, workload), self._that_count(rival, workload), strict=False)
        ratios = [ours.per_second / other.per_second for ours, other in pairs if other.per_second]
        return median(ratios) if ratios else 0.0

    def failures(self) -> Iterator[str]:
        """Return the failed responses, with which a table would be wrong."""
        for (arm, workload), results in self.results.items():
            if failures := sum(result.failures for result in results):
                yield f"{arm.name}, {workload.name}: {failures} answers were not 2xx"

    def unsteadiness(self) -> Iterator[str]:
        """Return a sentence if the machine was faster in one of the counted rounds than in another."""
        for workload in self.workloads:
            if unsteady := unsteadiness(self._static_speeds(workload)):
                yield f"{workload.name}: {unsteady}"

    def moved(self, workload: Workload) -> float:
        """Return by which part of their speed the static bytes moved between the rounds that count."""
        return _moved(self._static_speeds(workload))

    def measured_rounds(self, workload: Workload) -> int:
        return max(len(results) for (_, each), results in self.results.items() if each == workload)

    def _static_speeds(self, workload: Workload) -> list[float]:
        return [result.per_second for result in self._that_count(STATIC, workload)]

    def _that_count(self, arm: Arm, workload: Workload) -> list[Result]:
        results = self.results.get((arm, workload), [])
        static = self.results.get((STATIC, workload), [])
        # Rounds by the speed of the static bytes: the steadiest are neighbours in that order.
        order = sorted(range(len(static)), key=lambda number: static[number].per_second)
        windows = [order[start : start + self.rounds] for start in range(len(order) - self.rounds + 1)]
        if not (windows and results):
            return results
        fastest_by = [static[window[-1]].per_second / static[window[0]].per_second for window in windows]
        return [results[number] for number in sorted(windows[fastest_by.index(min(fastest_by))])]


def unsteadiness(speeds: Sequence[float]) -> str:
    """Return by how much the machine was faster at one time than at another, or nothing if it was steady."""
    moved = _moved(speeds)
    return f"the machine was not steady, static bytes moved by {moved:.0%}" if moved > STEADY else ""


def _moved(speeds: Sequence[float]) -> float:
    return (max(speeds) - min(speeds)) / median(speeds) if speeds else 0.0


def run(
    rounds: int, seconds: int, arms: Sequence[Arm] = ARMS, workloads: Sequence[Workload] = WORKLOADS
) -> Measured:
    """Compare all arms, then load them round by round."""
    with databases(any(arm.database == POSTGRESQL for arm in arms)) as shops:
        measured = Measured(rounds, postgresql=shops.version())
        offered = [arm for arm in arms if shops.offers(arm)]
        _say("Comparing the answers ...")
        with _all_up(offered, shops) as servers:
            compare(servers, workloads)
        for number in range(1, AT_MOST * rounds + 1):
            if number > rounds:
                workloads = [workload for workload in workloads if measured.moved(workload) > STEADY]
            if not workloads:
                break
            _say(f"Round {number} of {rounds}")
            ordered = offered if number % 2 else offered[::-1]
            # The writes of the last round are gone, because each round begins with fresh copies.
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
