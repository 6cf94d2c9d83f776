"""What importing rows of any kind shares: what became of a line, and what earlier lines have claimed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from fluent_cart.errors import ValidationFailed
from fluent_cart.importers.row_status import RowStatus

T = TypeVar("T")

# No database takes any number of parameters.
SLICE = 10_000
REQUIRED = "This field is required"


@dataclass
class Claims:
    """What lines of a file have made of the shop, as far as it does not show there yet.

    A new row without an id stands here as its line's number below 0; what nobody has any more is None.
    """

    # The line on which a row was, by the row's id: none may be there twice.
    lines: dict[int, int] = field(default_factory=dict)
    emails: dict[str, int | None] = field(default_factory=dict)
    users: dict[int, int | None] = field(default_factory=dict)
    addresses: dict[int, int | None] = field(default_factory=dict)
    # How many lines without an id spoke of an order like this one.
    orders: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def add(self, other: "Claims") -> None:
        """Add what later lines have claimed."""
        self.lines |= other.lines
        self.emails |= other.emails
        self.users |= other.users
        self.addresses |= other.addresses
        self.orders |= other.orders


@dataclass
class Outcome:
    """What became of a batch: each of its lines has a status or errors."""

    statuses: dict[int, RowStatus] = field(default_factory=dict)
    errors: dict[int, dict[str, list[str]]] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)

    def plan(self, numbers: Iterable[int], plan: Callable[[int], RowStatus]) -> None:
        """Plan each line; one that is refused does not stop the others."""
        for number in numbers:
            try:
                self.statuses[number] = plan(number)
            except ValidationFailed as error:
                self.errors[number] = dict(error.details or {})


class RowErrors(dict[str, list[str]]):
    """Everything that is wrong with a line, by field."""

    def add(self, field: str, text: str) -> None:
        self.setdefault(field, []).append(text)

    def raise_any(self) -> None:
        """Raise ``ValidationFailed`` if there are any."""
        if self:
            raise ValidationFailed(details=self)


def batched(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Give values in numbers that fit into a statement."""
    left = iter(values)
    while some := list(islice(left, SLICE)):
        yield some
