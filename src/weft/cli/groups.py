"""Groups of commands, each command in the module of its name, imported when it is first needed."""

from __future__ import annotations

from importlib import import_module

import click

from weft.core.nearest import did_you_mean
from weft.errors import UsageError


class Commands(click.Group):
    """A group that knows the names of its commands and imports one only when it is asked for."""

    package = "weft.cli"
    names: tuple[str, ...] = ()
    said = "weft"
    """The words of the command line that lead here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.names:
            return None
        command: click.Command = import_module(f"{self.package}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.names and not name.startswith("-"):
            hint = f"{did_you_mean(name, self.names)} (`{self.said} --help` says what each does)"
            asked = f"{self.said} {name}".removeprefix("weft ")
            raise UsageError(f"there is no command `{asked}`", hint=hint)
        return super().resolve_command(ctx, args)
