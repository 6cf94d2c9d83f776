"""The metrics of the server, as prometheus-client objects.

Several processes of one machine count together in the folder of ``PROMETHEUS_MULTIPROC_DIR``, which `serve`
creates for its workers. Any of them returns the figures of all. Label values are closed sets: no ids, no
names, and no value that a caller can choose.

See docs/decisions.md#91-metrics.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from fluent_cart.observability.process_metrics import ProcessesCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST


# Disables a second series for each counter and histogram, which has no use.
disable_created_metrics()  # type: ignore[no-untyped-call]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
# Seconds: from a look-up on an idle machine to the longest statement that LIMITS allows.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

REQUESTS = Histogram(
    "fluent_cart_http_request_duration_seconds",
    "Requests, and their duration. Status 0 is a caller who left before the response began.",
    ("route", "method", "status"),
    buckets=SECONDS,
)
REFUSALS = Counter("fluent_cart_refusals", "Refusals of credentials, permissions and limits.", ("code",))
UNITS_PER_COMMIT = Histogram(
    "fluent_cart_units_per_commit",
    "SQLite: units of work that shared one commit, and so one sync to disk.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
DROPPED_LOG_LINES = Counter(
    "fluent_cart_dropped_log_lines",
    "Log lines that were dropped because standard error did not take them in time",
)

BUILD = Gauge(
    "fluent_cart_build_info",
    "Version of the server and of Python. The value is always 1.",
    ("version", "python"),
    multiprocess_mode="livemax",
)
# The value that one process measured last counts for all.
DATABASE_BYTES = Gauge(
    "fluent_cart_database_size_bytes",
    "Size of the database in bytes, indexes included.",
    multiprocess_mode="livemostrecent",
)
LAST_BACKUP = Gauge(
    "fluent_cart_last_backup_timestamp_seconds",
    "Time at which the newest backup in FLUENT_CART_BACKUP_FOLDER was written, 0 without one.",
    multiprocess_mode="livemostrecent",
)

REPLICA, PRIMARY = "replica", "primary"
_REPLICATED_READS = Counter(
    "fluent_cart_replica_reads",
    "Reads that a replica may answer, by the server that answered.",
    ("server",),
)

IN_PROGRESS, WORKERS = "http_requests_in_progress", "workers"
QUEUED_UNITS = "queued_units"
LOOKUPS_IN_USE, LOOKUPS_WAITING = "lookup_connections_in_use", "lookups_waiting"
SLOW_HASHES = "pending_password_hashes"
REPLICA_UNUSED, REPLICA_LAG = "replica_unused", "replica_lag_seconds"
GAUGES = {
    name: Gauge(f"fluent_cart_{name}", text, multiprocess_mode="livesum")
    for name, text in {
        IN_PROGRESS: "Requests in progress.",
        WORKERS: "Server processes.",
        QUEUED_UNITS: (
            "Units of work that wait for their turn: writes on SQLite, writes and scans on PostgreSQL."
        ),
        LOOKUPS_IN_USE: "PostgreSQL: connections that run a look-up.",
        LOOKUPS_WAITING: "PostgreSQL: look-ups that wait for such a connection.",
        SLOW_HASHES: "Slow hashes of imported passwords that are checked, or wait to be.",
        REPLICA_UNUSED: "Processes whose replica is away or behind, so that the primary answers its reads.",
    }.items()
}
GAUGES[REPLICA_LAG] = Gauge(
    f"fluent_cart_{REPLICA_LAG}",
    "How far the replica was behind at the last check. While it is unused, the time since it was complete.",
    multiprocess_mode="livemax",
)

Observe = Callable[[float], None]
_observers: dict[tuple[str, str, int], Observe] = {}


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request. ``route`` is its template, never its path."""
    # Cached, because finding a child by its labels takes longer than the rest of this function.
    observe = _observers.get((route, method, status))
    (observe or _observer(route, method, status))(seconds)


def count_replicated_read(server: str) -> None:
    """Count a read that a replica may answer. ``server`` is ``REPLICA`` or ``PRIMARY``."""
    _REPLICATED_READS.labels(server).inc()


def _observer(route: str, method: str, status: int) -> Observe:
    known = method if method in METHODS else OTHER
    observe: Observe = REQUESTS.labels(route, known, status).observe
    if known == method:
        _observers[route, method, status] = observe
    return observe


def page() -> bytes:
    """Return all figures in Prometheus' text format. It takes milliseconds, and reads files if shared."""
    registry = CollectorRegistry()
    try:
        collector = MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:  # there is no shared folder
        return generate_latest()
    folder = Path(collector._path)
    _remove_dead_worker_files(folder)
    registry.register(ProcessesCollector(_processes(folder)))
    return generate_latest(registry)


def _processes(folder: Path) -> list[int]:
    return [int(file.stem.rpartition("_")[2]) for file in sorted(folder.glob("gauge_livesum_*.db"))]


def _remove_dead_worker_files(folder: Path) -> None:
    """Remove the gauges of processes that have ended. Their counters stay."""
    for process in _processes(folder):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            # Two processes that run this at the same time remove the same file.
            with suppress(FileNotFoundError):
                mark_process_dead(process)  # type: ignore[no-untyped-call]


@contextmanager
def shared_folder() -> Iterator[str]:
    """Create the folder in which the processes of one machine count together, and yield its path."""
    with TemporaryDirectory(prefix="fluent-cart-metrics-") as folder:
        yield folder
