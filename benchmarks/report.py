"""Writes what was measured as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.chart import draw
from benchmarks.load import CONNECTIONS
from benchmarks.markdown import facts, page, table
from benchmarks.registry import NINJA, OURS_SQLITE, REST, RIVALS, SQLITE, Arm
from benchmarks.run import Measured
from benchmarks.targets import MEDIANS_AT_P99, MEMORY_MB, RATIOS, START_SECONDS, TIMES, Goal
from benchmarks.workloads import CUSTOMERS, MIXED, Workload

CHART = "requests-per-second.svg"
CAPTION = "Requests per second of one worker on SQLite, by the request and the program that answers it"


def report(measured: Measured, rounds: int, seconds: int, where: Mapping[str, str]) -> str:
    """Return the whole page."""
    head = ("workload", "of the limit", "hold", "moonshot", "times the usual", "hold", "moonshot")
    against_django = ("workload", "times Django REST Framework", "hold", "moonshot", "times Django Ninja")
    workloads = [workload.name for workload in measured.workloads]
    return page(
        "Results",
        f"Medians of {rounds} rounds of {seconds} s with {CONNECTIONS} connections, {CUSTOMERS:,} customers,"
        " one worker each, all measured in one run; a ratio is the median of each round's own."
        " [README.md](README.md) tells how to read them.",
        "## Against the numbers to reach",
        table(head, _ratios(measured)),
        table(against_django, _times(measured)),
        table(("", "measured", "hold"), _limits(measured)),
        "## Requests per second",
        f"![{CAPTION}]({CHART})",
        table(("arm", "an acknowledged write is", *workloads), _speeds(measured)),
        "## Latency, ms: median / 99th percentile",
        table(("arm", *workloads), _latencies(measured)),
        "## How steady the machine was",
        "Rounds measured, and by how much the static bytes moved between those that count.",
        table(("", *workloads), _steadiness(measured)),
        "## Where",
        facts(where),
    )


def _ratios(measured: Measured) -> Iterable[Sequence[str]]:
    for arm, (limit, usual) in RIVALS.items():
        for workload in measured.workloads:
            goals = RATIOS.get((arm, workload), (None, None))
            ratios = [measured.ratio(arm, rival, workload) for rival in (limit, usual)]
            if measured.median(arm, workload):
                cells = [
                    cell for ratio, goal in zip(ratios, goals, strict=True) for cell in _against(ratio, goal)
                ]
                yield [f"{workload.name}, {arm.database}", *cells]


def _times(measured: Measured) -> Iterable[Sequence[str]]:
    for workload in measured.workloads:
        rest, ninja = (measured.ratio(OURS_SQLITE, arm, workload) for arm in (REST, NINJA))
        if measured.median(OURS_SQLITE, workload):
            yield [f"{workload.name}, {SQLITE}", *_against(rest, TIMES.get((REST, workload))), _short(ninja)]


def _limits(measured: Measured) -> Iterable[Sequence[str]]:
    for arm in RIVALS:
        if p50 := measured.median(arm, MIXED, "p50"):
            medians = measured.median(arm, MIXED, "p99") / p50
            yield f"p99 of {MIXED.name}, in medians, {arm.database}", f"{medians:.1f}", f"{MEDIANS_AT_P99}"
        if arm in measured.memory:
            size, start = median(measured.memory[arm]) / 1e6, median(measured.started_in[arm])
            yield f"memory after a round, {arm.database}", f"{size:.0f} MB", f"{MEMORY_MB} MB"
            yield f"start to the first 200, {arm.database}", f"{start:.1f} s", f"{START_SECONDS} s"


def _steadiness(measured: Measured) -> Iterable[Sequence[str]]:
    yield ["rounds measured", *(str(measured.measured_rounds(workload)) for workload in measured.workloads)]
    yield ["static bytes moved by", *(f"{measured.moved(workload):.0%}" for workload in measured.workloads)]


def _against(ratio: float, goal: Goal | None) -> Sequence[str]:
    if goal is None or not ratio:
        return _short(ratio), "", ""
    reached = f"**{_short(ratio)}**" if ratio >= goal.hold else f"{_short(ratio)} (not reached)"
    return reached, _short(goal.hold), _short(goal.moonshot)


def _speeds(measured: Measured) -> Iterable[Sequence[str]]:
    for arm in measured.arms:
        speeds = (f"{measured.median(arm, workload):,.0f}" for workload in measured.workloads)
        yield [arm.title, arm.durability, *speeds]


def chart(measured: Measured) -> str:
    """Return the requests per second on SQLite as a chart, without the static bytes."""
    arms = [arm for arm in measured.arms if arm.database == SQLITE]
    speeds = {
        workload.name: {_name(arm): measured.median(arm, workload) for arm in arms}
        for workload in measured.workloads
    }
    return draw(speeds, _name(OURS_SQLITE), CAPTION)


def _name(arm: Arm) -> str:
    """Return the title of an arm without its database and marks of Markdown."""
    return arm.title.strip("*").removesuffix(f", {arm.database}")


def _latencies(measured: Measured) -> Iterable[Sequence[str]]:
    def cell(arm: Arm, workload: Workload) -> str:
        p50, p99 = (measured.median(arm, workload, what) for what in ("p50", "p99"))
        return f"{p50:.1f} / {p99:.1f}"

    for arm in measured.arms:
        yield [arm.title, *(cell(arm, workload) for workload in measured.workloads)]


def _short(ratio: float) -> str:
    if not ratio:
        return "-"
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}"
