"""``weft app list``: the apps that the user may run, what runs them, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from weft.cli.options import json_option
from weft.errors import Exit, WeftError

if TYPE_CHECKING:
    from weft.tapis.apps import App

NO_STUDY = "-"
"""In place of a runner where no study can run."""


@click.command("list", short_help="List the apps that a study can use.")
@click.option(
    "--search", metavar="TEXT", default="", help="Only those whose id, label or description has it."
)
@click.option("--all", "everything", is_flag=True, help="Also those that no study can run in.")
@click.option("--base-url", metavar="URL", default="", help="Which Tapis, with logins at several.")
@json_option("Print one JSON document.")
def command(search: str, everything: bool, base_url: str, as_json: bool) -> int:
    """List the apps that you may use and that can run a study, each in its latest version.

    `weft app show APP` says more of one.
    """
    from weft.tapis.catalogue import apps
    from weft.tapis.login import session

    with session(base_url, in_person=True) as speaking:
        found = list(apps(speaking))
    readable = [app for app in found if not isinstance(app, WeftError) and _speaks_of(app, search)]
    rows = [_row(app) for app in readable]
    shown = [row for row in rows if everything or row["runner"] != NO_STUDY]
    damaged = [each for each in found if isinstance(each, WeftError)]
    if as_json:
        from weft.cli.progress import print_json

        print_json({"apps": shown, "unreadable": [str(each) for each in damaged]})
    else:
        _print(shown, len(rows) - len(shown), search)
        for problem in damaged:
            click.echo(f"left out: {problem.where}: {problem.what}", err=True)
    return Exit.DONE


def _speaks_of(app: App, text: str) -> bool:
    return text.lower() in f"{app.id}\n{app.label}\n{app.description}".lower()


def _row(app: App) -> dict[str, Any]:
    from weft.tapis.families import family_of

    try:
        runner = family_of(app).runner if app.enabled else NO_STUDY
    except WeftError:
        runner = NO_STUDY
    return {
        "id": app.id,
        "version": app.version,
        "runtime": app.runtime,
        "type": app.job_type or "",
        "system": app.system,
        "queue": app.queue or "",
        "runner": runner,
        "enabled": app.enabled,
        "description": app.description,
    }


def _print(rows: list[dict[str, Any]], hidden: int, search: str) -> None:
    from weft.core.quantities import count
    from weft.render.text import columns, printable

    heads = ("id", "version", "runtime", "type", "system", "runner")
    if rows:
        cells = [heads, *(tuple(printable(row[head]) for head in heads) for row in rows)]
        for line in columns(cells):
            click.echo(line)
    else:
        click.echo(f"no app speaks of {search!r}" if search else "there is no app that a study can run in")
    if hidden:
        click.echo(f"and {count(hidden, 'app')} that no study can run in (--all shows them)")
