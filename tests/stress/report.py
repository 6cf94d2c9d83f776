"""Writes what was measured as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.markdown import facts, page, table
from tests.stress.guarantees import Figure, Scale

HELD, FAILED, NOT_RUN = "held", "**FAILED**", "not run"


class Verdict(NamedTuple):
    """The result of a guarantee on one database."""

    name: str
    title: str
    database: str
    figures: Sequence[Figure]
    # The reason for not running it, or "".
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return NOT_RUN
        return HELD if all(figure.held for figure in self.figures) else FAILED


def report(
    verdicts: Sequence[Verdict], missing: Mapping[str, str], scale: Scale, where: Mapping[str, str]
) -> str:
    """Return the whole page."""
    counted = ", ".join(
        f"{sum(str(verdict) == word for verdict in verdicts)} {word.strip('*').lower()}"
        for word in (HELD, FAILED, NOT_RUN)
    )
    return page(
        "Fire",
        f"What `make test-stress` measured: {counted}. {scale.cycles} kills, power cuts or restarts each,"
        f" {scale.rounds} rounds of everybody at once, {scale.soak_minutes:g} minutes of soak.",
        _table(verdicts),
        "## Not run",
        "\n".join(f"- **{name}**: {reason}" for name, reason in _reasons(verdicts, missing).items()),
        "## Where",
        facts(where),
    )


def again(verdicts: Iterable[Verdict], when: str) -> str:
    """Return the end of an earlier page: the guarantees that were measured again after a change."""
    return f"\n## Again, {when}\n\n{_table(verdicts)}\n"


def _table(verdicts: Iterable[Verdict]) -> str:
    return table(("guarantee", "database", "what", "wanted", "measured", "verdict"), _rows(verdicts), texts=6)


def lines(verdict: Verdict) -> Iterable[str]:
    """Yield the lines of the summary of a guarantee."""
    yield f"{verdict.name} {verdict.database}: {verdict.title}: {verdict} {verdict.reason}".rstrip()
    for figure in verdict.figures:
        mark = " " if figure.held else "!"
        wanted = f" (wanted {figure.wanted})" if figure.wanted else ""
        yield f"  {mark} {figure.what}: {figure.measured}{wanted}"


def _rows(verdicts: Iterable[Verdict]) -> Iterable[Sequence[str]]:
    for verdict in verdicts:
        if verdict.reason:
            continue
        first = [f"**{verdict.name}** {verdict.title}", verdict.database]
        for figure in verdict.figures:
            word = (HELD if figure.held else FAILED) if figure.wanted else ""
            yield [*first, figure.what, figure.wanted, figure.measured, word]
            first = ["", ""]


def _reasons(verdicts: Iterable[Verdict], missing: Mapping[str, str]) -> dict[str, str]:
    tried = {f"{verdict.name}, {verdict.database}": verdict.reason for verdict in verdicts if verdict.reason}
    return tried | dict(missing)
