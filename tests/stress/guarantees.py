"""A guarantee: a promise of the server, compared with numbers."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.stress.shops import POSTGRESQL, SQLITE, Shop


@dataclass(frozen=True)
class Scale:
    """The amount of work. The table in RESULTS.md needs the default."""

    # Kills, power cuts, restarts.
    cycles: int = 20
    # Of everybody doing the same thing at once.
    rounds: int = 20
    # Of a load that is measured.
    seconds: float = 6
    soak_minutes: float = 10
    # Requests that are made up for each operation, and sequences of steps.
    examples: int = 1000
    sequences: int = 5000
    # Of a copy that is kept by changes, on each database.
    sync_runs: int = 10
    sync_seconds: float = 60


QUICK = Scale(
    cycles=3, rounds=3, seconds=2, soak_minutes=1, examples=100, sequences=200, sync_runs=1, sync_seconds=30
)


class Figure(NamedTuple):
    """A number, the number that was wanted, and whether that was reached."""

    what: str
    wanted: str
    measured: str
    held: bool
    unit: str = ""


class NotRun(Exception):
    """A guarantee cannot be tested here. The text has the reason."""


Run = Callable[[Shop, Scale], Coroutine[Any, Any, list[Figure]]]


class Guarantee(NamedTuple):
    name: str
    title: str
    databases: tuple[str, ...]
    run: Run


GUARANTEES: list[Guarantee] = []
BOTH = (SQLITE, POSTGRESQL)


def guarantee(name: str, title: str, *databases: str) -> Callable[[Run], Run]:
    """Register a guarantee. It is measured on a fresh shop on each of ``databases``, or on both."""

    def register(run: Run) -> Run:
        GUARANTEES.append(Guarantee(name, title, databases or BOTH, run))
        return run

    return register


def none(what: str, measured: int) -> Figure:
    return exactly(what, measured, 0)


def exactly(what: str, measured: object, wanted: object) -> Figure:
    return Figure(what, str(wanted), str(measured), measured == wanted)


def at_most(what: str, measured: float, limit: float, unit: str = "") -> Figure:
    return Figure(what, f"≤ {_text(limit, unit)}", _text(measured, unit), measured <= limit, unit)


def at_least(what: str, measured: float, limit: float, unit: str = "") -> Figure:
    return Figure(what, f"≥ {_text(limit, unit)}", _text(measured, unit), measured >= limit, unit)


def measured(what: str, measured: object) -> Figure:
    """Return a number that helps to judge the others, and cannot fail."""
    return Figure(what, "", str(measured), True)


def _text(number: float, unit: str) -> str:
    text = (
        f"{number:,}" if isinstance(number, int) else f"{number:,.0f}" if number >= 100 else f"{number:.2g}"
    )
    return f"{text} {unit}".strip()
