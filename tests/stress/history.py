"""The responses that clients got, and the rows that a shop must therefore have."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.stress.guarantees import Figure, none
from tests.support.load import BROKEN, Answer


@dataclass
class History:
    """Every write that was sent: acknowledged, rejected, or unknown."""

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def add(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if answer.request.writes:
                kind = (
                    self.acknowledged
                    if answer.ok
                    else self.unknown
                    if answer.status == BROKEN
                    else self.refused
                )
                kind.add(answer.request.writes)

    def figures(self, stored: set[str], *, in_doubt: bool = False) -> list[Figure]:
        """Compare ``stored`` with the history. A refused write may be stored if it is ``in_doubt``."""
        sent = self.acknowledged | self.refused | self.unknown
        figures = [
            none(f"lost of {len(self.acknowledged):,} acknowledged writes", len(self.acknowledged - stored)),
            none("there, but never sent", len(stored - sent)),
        ]
        if not in_doubt:
            figures.append(none("there, but refused", len(stored & self.refused)))
        return figures
