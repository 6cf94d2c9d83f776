"""The benchmark's command line: ``python -m benchmarks run|million|soak|layers|generate``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import FOLDER, WORK, layers, loading, machine, million, report, soak
from benchmarks.compare import Different
from benchmarks.generate import SIZES
from benchmarks.registry import ARMS
from benchmarks.run import run
from benchmarks.workloads import WORKLOADS

# A table of fewer rounds, or of some arms only, is for the one who works on them.
ROUNDS, SECONDS, MINUTES = 5, 5, 60


def main() -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="load all arms in turn and write RESULTS.md and its chart")
    running.add_argument("--rounds", type=int, default=ROUNDS)
    running.add_argument("--seconds", type=int, default=SECONDS, help="of each load")
    running.add_argument(
        "--only", default="", metavar="TEXT,...", help="arms whose names have one of these in them"
    )
    running.add_argument("--workload", default="", metavar="TEXT,...", help="workloads, likewise")
    many = commands.add_parser("million", help="latencies in a shop of a million customers; write MILLION.md")
    many.add_argument("--customers", type=int, default=1_000_000)
    many.add_argument("--requests", type=int, default=200, help="how many of each kind")
    many.add_argument("--only", default="", metavar="TEXT,...", help="queries whose names have one of these")
    many.add_argument("--connections", type=int, default=1, help="that ask at the same time")
    long = commands.add_parser("soak", help="memory under an hour of load on each database; write MEMORY.md")
    long.add_argument("--minutes", type=int, default=MINUTES)
    quick = commands.add_parser("layers", help="what each layer costs, in process, in seconds")
    quick.add_argument("--best-of", type=int, default=20)
    making = commands.add_parser("generate", help="make an SQLite file or fill an empty PostgreSQL database")
    making.add_argument("customers", type=int, help=f"for example {', '.join(map(str, SIZES))}")
    making.add_argument("url", help="sqlite:///PATH or postgresql://...")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    if options.command == "run":
        return _run(options)
    if options.command == "million":
        return _million(options)
    if options.command == "soak":
        return _soak(options)
    if options.command == "layers":
        print(layers.measure(options.best_of))
    else:
        loading.load(options.url, options.customers)
    return 0


def _run(options: argparse.Namespace) -> int:
    arms = [arm for arm in ARMS if _is_chosen(arm.name, options.only)]
    workloads = [workload for workload in WORKLOADS if _is_chosen(workload.name, options.workload)]
    try:
        measured = run(options.rounds, options.seconds, arms, workloads)
    except Different as different:
        print(different, file=sys.stderr)
        return 1
    page = report.report(measured, options.rounds, options.seconds, machine.facts(measured.postgresql))
    complete = options.rounds >= ROUNDS and options.seconds >= SECONDS and not options.only + options.workload
    failures, unsteadiness = list(measured.failures()), list(measured.unsteadiness())
    status = _publish(page, FOLDER / "RESULTS.md", complete, failures, unsteadiness)
    if complete and not status:
        (FOLDER / report.CHART).write_text(report.chart(measured))
    return status


def _million(options: argparse.Namespace) -> int:
    only = [text for text in options.only.split(",") if text]
    page, failures, doubts = million.measure(options.customers, options.requests, options.connections, only)
    complete = options.customers == 1_000_000 and options.requests >= 200 and not only
    return _publish(page, FOLDER / "MILLION.md", complete, failures, doubts)


def _soak(options: argparse.Namespace) -> int:
    page, failures = soak.measure(options.minutes)
    return _publish(page, FOLDER / "MEMORY.md", options.minutes >= MINUTES, failures)


def _publish(
    page: str, path: Path, complete: bool, failures: Sequence[str], doubts: Sequence[str] = ()
) -> int:
    """Write a complete page. Print an incomplete one. Reject a wrong one."""
    for fault in (*failures, *doubts):
        print(f"Not to be relied on: {fault}", file=sys.stderr)
    if failures or (complete and doubts):
        print(f"Refused: {path.name} is left as it was.", file=sys.stderr)
        return 1
    if complete:
        path.write_text(page)
        print(f"Written: benchmarks/{path.name}", file=sys.stderr)
    else:
        print(page)
    return 0


def _is_chosen(name: str, texts: str) -> bool:
    return any(text in name for text in texts.split(","))


if __name__ == "__main__":
    sys.exit(main())
