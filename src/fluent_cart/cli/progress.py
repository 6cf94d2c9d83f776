"""The progress of a command, shown only at a terminal."""

from rich.console import Console
from rich.progress import Progress, TaskID


class ProgressBar(Progress):
    """Shows each step of a command on standard error, and leaves nothing behind."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        super().__init__(console=console, disable=not console.is_terminal, transient=True)
        self._steps: dict[str, TaskID] = {}

    def show(self, step: str, done: int = 0, total: int = 0) -> None:
        """Show how far a step is; a total of 0 is not known."""
        if step not in self._steps:
            self._steps[step] = self.add_task(step)
        self.update(self._steps[step], completed=done, total=total or None)
