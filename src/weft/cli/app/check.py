"""``weft app check``: the known faults of definitions and wrappers, each with its place and its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli.options import json_option
from weft.errors import Exit

if TYPE_CHECKING:
    from weft.tapis.linting import Finding

COLOURS = {"error": "red", "warning": "yellow"}


@click.command("check", short_help="Look for faults in an app of your own.")
@click.argument("place", default=".", metavar="[FOLDER|FILE]")
@json_option("Print one JSON document.")
def command(place: str, as_json: bool) -> int:
    """Look for faults in an app: its folder (default: here), its definition (.json), or its wrapper.

    Nothing is sent and nothing is run. Exits with 5 if there are errors; warnings do not count.
    """
    from weft.tapis.appfolder import check

    found = check(Path(place))
    if as_json:
        _print_json(found)
    else:
        show(found)
        click.echo(summary(found))
    return Exit.CHECK_FAILED if errors(found) else Exit.DONE


def errors(found: Sequence[Finding]) -> int:
    """How many errors there are."""
    return sum(each.level.value == "error" for each in found)


def show(found: Sequence[Finding], *, err: bool = False) -> None:
    """Print findings, each with its reason and remedy; they quote what somebody else may have written."""
    from weft.render.text import printable

    for each in found:
        level = click.style(f"{each.level.value}:", fg=COLOURS[each.level.value], bold=True)
        click.echo(f"{printable(each.where)}: {level} {printable(each.what)} [{each.rule}]", err=err)
        click.echo(f"  why: {each.why}", err=err)
        if each.remedy:
            click.echo(f"  remedy: {each.remedy}", err=err)


def summary(found: Sequence[Finding]) -> str:
    """How many errors and warnings there are, in words."""
    from weft.core.quantities import count

    wrong = errors(found)
    return f"{count(wrong, 'error')}, {count(len(found) - wrong, 'warning')}" if found else "no faults found"


def _print_json(found: Sequence[Finding]) -> None:
    import msgspec

    from weft.cli.progress import print_json

    wrong = errors(found)
    told = {"errors": wrong, "warnings": len(found) - wrong, "findings": msgspec.to_builtins(list(found))}
    print_json(told)
