"""``weft app``: look at the apps of a Tapis tenant, and make, check and register one's own."""

from __future__ import annotations

from importlib import import_module

import click

from weft.core.nearest import did_you_mean
from weft.errors import UsageError

COMMANDS = ("list", "show", "new", "check", "deploy")
"""In the order in which they are needed; each lives in the module of its name and is imported when asked for."""


class AppCommands(click.Group):
    """The group of the commands about apps."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]  # `list` is a module here, once it is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"weft.cli.app.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            hint = f"{did_you_mean(name, COMMANDS)} (`weft app --help` says what each does)"
            raise UsageError(f"there is no command `app {name}`", hint=hint)
        return super().resolve_command(ctx, args)


@click.group("app", cls=AppCommands, short_help="Look at Tapis apps; make, check and register one.")
def command() -> None:
    """Look at the apps of a Tapis tenant, and make, check and register one's own."""
