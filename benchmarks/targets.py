"""The numbers to reach: of the limit and times the usual application, *hold* and *moonshot*."""

from typing import NamedTuple

from benchmarks.registry import OURS_POSTGRESQL, OURS_SQLITE, REST, Arm
from benchmarks.workloads import CREATE, GET_ONE, LIST_10, LIST_100, MIXED, UPDATE, Workload


class Goal(NamedTuple):
    hold: float
    moonshot: float


# For each workload: the part of the limit's speed, and how many times the usual application's.
RATIOS: dict[tuple[Arm, Workload], tuple[Goal, Goal]] = {
    (OURS_SQLITE, GET_ONE): (Goal(0.55, 0.75), Goal(15, 20)),
    (OURS_SQLITE, LIST_10): (Goal(0.55, 0.75), Goal(15, 20)),
    (OURS_SQLITE, LIST_100): (Goal(0.80, 0.95), Goal(15, 20)),
    (OURS_SQLITE, MIXED): (Goal(0.50, 0.70), Goal(12, 18)),
    (OURS_SQLITE, UPDATE): (Goal(0.75, 1.0), Goal(7, 12)),
    (OURS_SQLITE, CREATE): (Goal(0.85, 1.1), Goal(7, 15)),
    (OURS_POSTGRESQL, GET_ONE): (Goal(0.58, 0.80), Goal(9, 12)),
    (OURS_POSTGRESQL, LIST_10): (Goal(0.58, 0.80), Goal(8, 12)),
    (OURS_POSTGRESQL, LIST_100): (Goal(0.60, 0.80), Goal(7, 12)),
    (OURS_POSTGRESQL, MIXED): (Goal(0.55, 0.75), Goal(8, 10)),
    (OURS_POSTGRESQL, UPDATE): (Goal(0.48, 0.75), Goal(5, 10)),
    (OURS_POSTGRESQL, CREATE): (Goal(0.46, 0.75), Goal(4, 10)),
}
# Times a framework that is neither.
TIMES: dict[tuple[Arm, Workload], Goal] = {
    (REST, workload): Goal(12, 18) for workload in (GET_ONE, LIST_10, LIST_100)
}
MEDIANS_AT_P99 = 5
MEMORY_MB = 120
START_SECONDS = 1.5
