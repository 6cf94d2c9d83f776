"""Import the module of a command when the command runs.

Importing all commands takes 1.5 seconds of processor time, most of it for SQLAlchemy and FastAPI.
``--version`` takes 0.08 without them.
"""

import gc
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class LazyCommand(TyperCommand):
    """The name and the summary of a command, or of a group of commands, for the help.

    ``target`` is ``module:function`` in ``cli``, or ``module:cli`` for a group.
    """

    def __init__(self, target: str, panel: str, summary: str, *, name: str = "") -> None:
        self._module, _, self._attribute = target.partition(":")
        own = self._module if self._attribute == "cli" else self._attribute
        super().__init__(name or own.replace("_", "-"), help=summary, rich_help_panel=panel)

    def load(self) -> typer.Typer:
        """Return an application with this command alone."""
        # Loaded modules stay in memory, and searching them for garbage takes an eighth of the time.
        gc.disable()
        try:
            command = getattr(import_module(f"fluent_cart.cli.{self._module}"), self._attribute)
            gc.freeze()
        finally:
            gc.enable()
        application = typer.Typer(add_completion=False, callback=_no_options)
        if isinstance(command, typer.Typer):
            application.add_typer(command, name=self.name)
        else:
            application.command(self.name)(command)
        return application

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **options: Any) -> Any:
        """Return the context of the command itself, which runs in place of this one."""
        group: Any = typer.main.get_command(self.load())
        return group.commands[self.name].make_context(info_name, args, *more, **options)


def _no_options() -> None:
    """Keep the application a group, also with a single subcommand."""
