"""``weft init``: a commented study that runs as it is, to change into one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from weft.cli.options import typed
from weft.errors import Exit, UsageError, WeftError

TEMPLATES = ("python", "openseespy", "shell")


@click.command("init", short_help="Copy a small study that runs as it is.")
@click.argument("folder", default=".", metavar="[FOLDER]")
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    default="python",
    show_default=True,
    help="What the cases run: a Python script, an OpenSees model in Python, or a shell command.",
)
def command(folder: str, template: str) -> int:
    """Copy a small study that runs as it is into FOLDER (default: here), to change into your own.

    Nothing that is there already is overwritten.
    """
    target = Path(folder)
    made = copy_starter(template, target)
    click.echo(f"Made a study in {target}:")
    for path in made:
        click.echo(f"  {path}")
    click.echo("Next:")
    if target.resolve() != Path.cwd():
        click.echo(f"  cd {typed(str(target))}")
    click.echo("  weft plan      what would run")
    click.echo("  weft run       run it")
    click.echo("  weft results   what came out")
    return Exit.DONE


def copy_starter(template: str, target: Path) -> list[Path]:
    """Copy a starter's files, or none of them if one is there already; returns their paths in ``target``."""
    from weft.store.folder import disk_problem
    from weft.store.studyfile import starter_folder

    source = starter_folder(template)
    files = [path.relative_to(source) for path in _files(source)]
    if target.exists() and not target.is_dir():
        raise UsageError("a file, not a folder", where=str(target), hint="name a folder: `weft init NAME`")
    there = [path for path in files if (target / path).exists()]
    if there:
        raise WeftError(
            f"there is already a {there[0]}; nothing was changed",
            where=str(target),
            hint="name another folder: `weft init NAME`, or run what is there: `weft run`",
        )
    try:
        for path in files:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target / path)
    except OSError as error:
        raise disk_problem(error, error.filename or target) from error
    return files


def _files(source: Path) -> list[Path]:
    return sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
