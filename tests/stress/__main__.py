"""The command line: ``python -m tests.stress [--only E2,D] [--quick] [--cycles N] [--sequences N] ...``"""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from benchmarks import machine
from tests.conftest import make_template
from tests.stress import (
    availability,
    concurrency,
    credentials,
    erasure,
    everyday,
    hostile,
    imports,
    properties,
    sync,
)
from tests.stress.guarantees import BOTH, GUARANTEES, QUICK, Figure, Guarantee, NotRun, Scale, none
from tests.stress.report import FAILED, Verdict, again, lines, report
from tests.stress.shops import Shops
from tests.support import cluster as clusters
from tests.support import postgres
from tests.support.cluster import Cluster

RESULTS = Path(__file__).with_name("RESULTS.md")
PACKAGES = (
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "sqlalchemy",
    "asyncpg",
    "psycopg",
)
# Bars of the list that no function here tries, and why.
MODULES = (availability, concurrency, credentials, erasure, everyday, hostile, imports, properties, sync)
MISSING = {name: reason for module in MODULES for name, reason in getattr(module, "MISSING", {}).items()}


def main() -> int:
    """Run the guarantees. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="GUARANTEE,...", help="guarantees, or families of them: E2,D"
    )
    parser.add_argument("--database", choices=BOTH, help="on this alone")
    parser.add_argument("--quick", action="store_true", help="a little of each guarantee; writes nothing")
    parser.add_argument("--cycles", type=int, help="kills, power cuts and restarts")
    parser.add_argument("--soak-minutes", type=float)
    parser.add_argument("--examples", type=int, help="requests that are made up for each operation")
    parser.add_argument(
        "--sequences", type=int, help="sequences of steps that all databases take in lockstep"
    )
    parser.add_argument("--sync-runs", type=int, help="runs in which a copy is kept, on each database")
    parser.add_argument("--sync-seconds", type=float, help="of each of these runs")
    parser.add_argument(
        "--again", action="store_true", help="add what is measured to RESULTS.md, below what is there"
    )
    options = parser.parse_args()
    scale = QUICK if options.quick else Scale()
    for name in ("cycles", "soak_minutes", "examples", "sequences", "sync_runs", "sync_seconds"):
        if (value := getattr(options, name)) is not None:
            scale = replace(scale, **{name: value})
    chosen = sorted(
        (guarantee for guarantee in GUARANTEES if _is_chosen(guarantee.name, options.only)),
        key=lambda guarantee: _place(guarantee.name),
    )
    with tempfile.TemporaryDirectory(prefix="fluent-cart-fire-") as folder, _cluster() as cluster:
        # Now, while the load of the machine is that of others.
        where = machine.facts(
            _version(cluster), load_generator="tests/support/load.py, one process", packages=PACKAGES
        )
        template = Path(folder) / "template.db"
        make_template(f"sqlite:///{template}")
        shops = Shops(Path(folder), template, cluster)
        verdicts = [*_everyday(options.only)]
        databases = [options.database] if options.database else BOTH
        verdicts += [verdict for guarantee in chosen for verdict in _run(guarantee, databases, shops, scale)]
    if options.again:
        with RESULTS.open("a") as results:
            results.write(again(verdicts, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"))
        print(f"Added to {RESULTS}", file=sys.stderr)
    elif options.only or options.database or options.quick:
        print("Not written to RESULTS.md: that takes a run of all, and not a quick one.", file=sys.stderr)
    else:
        verdicts.sort(key=lambda verdict: _place(verdict.name))
        RESULTS.write_text(report(verdicts, MISSING, scale, where))
        print(f"Written: {RESULTS}", file=sys.stderr)
    failed = [verdict for verdict in verdicts if str(verdict) == FAILED]
    return 1 if failed else 0


def _everyday(only: str) -> Iterator[Verdict]:
    guarantees = [guarantee for guarantee in everyday.EVERYDAY if _is_chosen(guarantee.name, only)]
    figures = everyday.run(guarantees) if guarantees else {}
    for guarantee in guarantees:
        verdict = Verdict(guarantee.name, guarantee.title, "both where it matters", figures[guarantee.name])
        print("\n".join(lines(verdict)), flush=True)
        yield verdict


def _run(guarantee: Guarantee, databases: Sequence[str], shops: Shops, scale: Scale) -> Iterator[Verdict]:
    for database in (each for each in guarantee.databases if each in databases):
        began = time.monotonic()
        verdict = _verdict(guarantee, database, shops, scale)
        print("\n".join(lines(verdict)), f"({time.monotonic() - began:.0f} s)", flush=True)
        yield verdict


def _verdict(guarantee: Guarantee, database: str, shops: Shops, scale: Scale) -> Verdict:
    if not shops.offers(database):
        return Verdict(guarantee.name, guarantee.title, database, [], "NO POSTGRESQL HERE")
    try:
        shop = shops.fresh(database, guarantee.name)
        figures = asyncio.run(guarantee.run(shop, scale))
        # No rule may be broken at the end.
        figures += [
            none("broken rules afterwards", len(shop.violations())),
            none("tracebacks in the server's log", shop.tracebacks),
        ]
    except NotRun as reason:
        return Verdict(guarantee.name, guarantee.title, database, [], str(reason))
    except Exception as error:
        # The guarantees after it are worth their time all the same.
        traceback.print_exc()
        figures = [Figure("ran to its end", "yes", f"no: {type(error).__name__}", held=False)]
    return Verdict(guarantee.name, guarantee.title, database, figures)


def _place(name: str) -> tuple[str, int]:
    first = name.partition(",")[0]
    return first[0], int("".join(filter(str.isdigit, first)))


def _is_chosen(name: str, texts: str) -> bool:
    """Return whether a guarantee is named, itself or by the letter of its family."""
    names = [*name.split(", "), name[0]]
    return not texts or any(text in names for text in texts.split(","))


@contextmanager
def _cluster() -> Iterator[Cluster | None]:
    if not postgres.INSTALLED:
        print("PostgreSQL is not installed: ITS GUARANTEES ARE NOT RUN.", file=sys.stderr)
    with clusters.running("max_connections=200") if postgres.INSTALLED else nullcontext() as cluster:
        yield cluster


def _version(cluster: Cluster | None) -> str | None:
    if cluster is None:
        return None
    with psycopg.connect(cluster.url("postgres")) as connection:
        return f"PostgreSQL {connection.info.server_version // 10_000} (fsync on)"


if __name__ == "__main__":
    sys.exit(main())
