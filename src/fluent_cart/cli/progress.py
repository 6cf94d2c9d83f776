"""The progress of a command, shown only at a terminal."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def is_terminal() -> bool:
    """Return whether a person sees standard error."""
    return sys.stderr.isatty()


class ProgressBar:
    """Shows each step of a command on standard error, and leaves nothing behind."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._steps: dict[str, TaskID] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if is_terminal():
            # Loading it takes 60 ms, for nothing where a program runs the command.
            from rich.console import Console
            from rich.progress import Progress

            self._bar = self._stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def show(self, step: str, done: int = 0, total: int = 0) -> None:
        """Show the progress of a step. A total of 0 means that it is not known."""
        if self._bar is None:
            return
        if step not in self._steps:
            self._steps[step] = self._bar.add_task(step)
        self._bar.update(self._steps[step], completed=done, total=total or None)
