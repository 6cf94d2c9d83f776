"""The results of imported lines, and the values of earlier lines, for all kinds of rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from fluent_cart.errors import ValidationFailed
from fluent_cart.importers.row_status import RowStatus

T = TypeVar("T")

# A limit, because databases limit the number of parameters.
SLICE = 10_000
REQUIRED = "This field is required"


@dataclass
class SeenValues:
    """The changes of a file's lines that are not visible in the shop yet.

    A new row without an id has its negative line number. A value without an owner is None.
    """

    # The line of each row id, because a file may have each id once.
    lines: dict[int, int] = field(default_factory=dict)
    emails: dict[str, int | None] = field(default_factory=dict)
    users: dict[int, int | None] = field(default_factory=dict)
    addresses: dict[int, int | None] = field(default_factory=dict)
    # The number of lines without an id for each order.
    orders: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def add(self, other: "SeenValues") -> None:
        """Add the values of later lines."""
        self.lines |= other.lines
        self.emails |= other.emails
        self.users |= other.users
        self.addresses |= other.addresses
        self.orders |= other.orders


@dataclass
class BatchResult:
    """The result of a batch: each of its lines has a status or errors."""

    statuses: dict[int, RowStatus] = field(default_factory=dict)
    errors: dict[int, dict[str, list[str]]] = field(default_factory=dict)
    seen: SeenValues = field(default_factory=SeenValues)

    def plan(self, numbers: Iterable[int], plan: Callable[[int], RowStatus]) -> None:
        """Plan each line. A line with an error does not stop the others."""
        for number in numbers:
            try:
                self.statuses[number] = plan(number)
            except ValidationFailed as error:
                self.errors[number] = dict(error.details or {})


class RowErrors(dict[str, list[str]]):
    """All errors of a line, by field."""

    def add(self, field: str, text: str) -> None:
        self.setdefault(field, []).append(text)

    def raise_any(self) -> None:
        """Raise ``ValidationFailed`` if there are errors."""
        if self:
            raise ValidationFailed(details=self)


def batched(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield values in groups that fit into a statement."""
    left = iter(values)
    while some := list(islice(left, SLICE)):
        yield some
