"""``weft app new``: the files of an app that runs as it is, to change into one's own."""

from __future__ import annotations

import re
from pathlib import Path

import click

from weft.cli.options import typed
from weft.errors import Exit, UsageError, WeftError

KINDS = ("python", "shell", "tcl")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,79}")


@click.command("new", short_help="Make the files of an app of your own.")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default=KINDS[0],
    show_default=True,
    help="What it runs: a script in Python, shell or Tcl.",
)
@click.option(
    "--fork/--batch", default=True, show_default=True, help="Start it directly, or through a queue."
)
@click.option("--folder", metavar="DIR", default="", help="Where to put it, instead of a folder of its name.")
def command(name: str, kind: str, fork: bool, folder: str) -> int:
    """Make a folder with the wrapper, definition and instructions of an app NAME that runs as it is on `weft serve`.

    Nothing that is there already is overwritten.
    """
    if not _ID.fullmatch(name):
        hint = "letters, digits and . _ ~ -, at most 80, beginning with a letter or digit"
        raise UsageError(f"{name!r} cannot be the id of an app", where="weft app new", hint=hint)
    target = Path(folder or name)
    made = write(target, name, kind, batch=not fork)
    click.echo(f"Made an app in {target}:")
    for path in made:
        click.echo(f"  {path}")
    place = typed(str(target))
    click.echo("Next:")
    click.echo(f"  weft app check {place}      look for faults")
    click.echo(f"  weft app deploy {place}     upload and register it")
    return Exit.DONE


def write(target: Path, name: str, kind: str, *, batch: bool) -> list[str]:
    """Write the files of a new app, or none of them if one is there already; returns their paths in ``target``."""
    from weft.store.folder import disk_problem
    from weft.tapis.scaffold import app_files

    if target.exists() and not target.is_dir():
        raise UsageError("a file, not a folder", where=str(target), hint="name a folder: --folder DIR")
    files = app_files(name, kind, batch=batch)
    there = [path for path in files if (target / path).exists()]
    if there:
        raise WeftError(
            f"there is already a {there[0]}; nothing was changed",
            where=str(target),
            hint="name another folder: --folder DIR",
        )
    try:
        for path, (text, mode) in files.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, encoding="utf-8", newline="\n")
            (target / path).chmod(mode)
    except OSError as error:
        raise disk_problem(error, error.filename or target) from error
    return list(files)
