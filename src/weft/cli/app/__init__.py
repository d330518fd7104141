"""``weft app``: look at the apps of a Tapis tenant, and make, check and register one's own."""

from __future__ import annotations

import click

from weft.cli.groups import Commands


class AppCommands(Commands):
    """The group of the commands about apps."""

    package = "weft.cli.app"
    names = ("list", "show", "new", "check", "deploy")
    said = "weft app"


@click.group("app", cls=AppCommands, short_help="Look at Tapis apps; make, check and register one.")
def command() -> None:
    """Look at the apps of a Tapis tenant, and make, check and register one's own."""
