"""Memory, processor time and open files of all processes of a server, under the usual names.

Prometheus' own collector measures one process, and nothing if several processes count together.
"""

from collections.abc import Iterable, Iterator
from functools import partial

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

# Values whose sum has no meaning.
SMALLEST = ("process_start_time_seconds", "process_max_fds")


class ProcessesCollector(Collector):
    """Adds up the metrics of several processes, some of which may have ended."""

    def __init__(self, processes: Iterable[int]) -> None:
        self._processes = [*processes]

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for process in self._processes:
            for family in ProcessCollector(pid=partial(int, process), registry=None).collect():
                _add(families.setdefault(family.name, family), family)
        yield from families.values()


def _add(total: Metric, family: Metric) -> None:
    if total is family:
        return
    [sample], [other] = total.samples, family.samples
    value = min(sample.value, other.value) if total.name in SMALLEST else sample.value + other.value
    total.samples = [sample._replace(value=value)]
