"""``weft history``: what is normal for the user's jobs, by all that have ended; and forgetting them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.options import json_option
from weft.cli.profile import since_when
from weft.cli.screen import is_terminal, width
from weft.core.groups import WAYS
from weft.errors import Exit, NeedsDecision, UsageError

if TYPE_CHECKING:
    import polars as pl

_ENDINGS = (".csv", ".parquet", ".json")
NOTHING = "no ended jobs are known: `weft run` or `weft profile --all` fills the history"


@click.command("history", short_help="Say what is normal for your jobs, by those that have ended.")
@click.option("--app", metavar="APP", default="", help="Only of this app; * stands for anything.")
@click.option("--system", metavar="SYSTEM", default="", help="Only on this system.")
@click.option("--queue", metavar="QUEUE", default="", help="Only in this queue.")
@click.option("--since", metavar="WHEN", default="", help="Only begun since 12h, 30d, 4w or 2026-03-01.")
@click.option("--before", metavar="WHEN", default="", help="Only begun before then.")
@click.option("--by", metavar="WAY", type=click.Choice(WAYS), help=f"Totals by {', '.join(WAYS)}.")
@click.option(
    "--export",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the jobs, a row for each: .csv, .parquet or .json.",
)
@click.option("--forget", is_flag=True, help="Forget the jobs that the options above choose.")
@click.option("--yes", is_flag=True, help="Forget without asking.")
@json_option("Print one JSON document.")
def command(
    *,
    app: str,
    system: str,
    queue: str,
    since: str,
    before: str,
    by: str | None,
    export: Path | None,
    forget: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Say what is normal for your jobs, by app, system and queue; which were out of line; what has changed.

    The history holds the jobs that have ended: those that weft ran, and those that `weft profile` has seen. It
    lies in one file on this machine.
    """
    _check(by=by, export=export, forget=forget)
    now = time.time()
    which: dict[str, Any] = {"app": app, "system": system, "queue": queue}
    which |= {"since": _when(since, "--since", now), "before": _when(before, "--before", now)}
    if forget:
        return _forget(which, yes=yes, as_json=as_json)
    from weft.store.history import History

    with History() as history:
        jobs = history.jobs(**which)
    if history.unreadable:
        _tell_unreadable(history.unreadable)
    if export:
        _write(export, jobs)
    elif as_json:
        _print_json(jobs, by, history.unreadable)
    elif jobs.is_empty():
        click.echo("no ended jobs like these are known" if any(which.values()) else NOTHING)
    else:
        click.echo(_text(jobs, by))
    return Exit.DONE


def _check(*, by: str | None, export: Path | None, forget: bool) -> None:
    given = {"--by": by, "--export": export, "--forget": forget}
    chosen = [name for name, value in given.items() if value]
    if len(chosen) > 1:
        hint = "`weft history --help` shows what may be given"
        raise UsageError(f"{' and '.join(chosen)} exclude each other", hint=hint)
    if export and export.suffix.lower() not in _ENDINGS:
        raise UsageError(f"no such kind of file: {export.name}", hint=f"end it in {', '.join(_ENDINGS)}")


def _tell_unreadable(number: int) -> None:
    from weft.core.quantities import count

    label = click.style("note:", fg="yellow", bold=True)
    click.echo(f"{label} {count(number, 'row')} of the history could not be read: left out", err=True)


def _when(text: str, option: str, now: float) -> float | None:
    try:
        return since_when(text, now) if text else None
    except UsageError as problem:
        raise UsageError(problem.what, where=option, hint=problem.hint) from None


def _text(jobs: pl.DataFrame, by: str | None) -> str:
    if by:
        from weft.core.groups import groups
        from weft.render.profiletext import groups_text

        return groups_text(groups(jobs, by), by, width())
    from weft.render.historytext import history_text

    return history_text(jobs, width())


def _print_json(jobs: pl.DataFrame, by: str | None, unreadable: int) -> None:
    from weft.cli.progress import print_json

    if by:
        from weft.core.groups import groups

        print_json({"by": by, "groups": groups(jobs, by).to_dicts(), "unreadable": unreadable})
    else:
        from weft.render.historytext import history_data

        print_json({**history_data(jobs), "unreadable": unreadable})


def _write(path: Path, jobs: pl.DataFrame) -> None:
    from weft.core.quantities import count
    from weft.render.tables import jobs_csv
    from weft.store.resultfile import parquet_bytes, write_file

    kind = path.suffix.lower()
    if kind == ".csv":
        data = jobs_csv(jobs)
    elif kind == ".parquet":
        data = parquet_bytes(jobs)
    else:
        import msgspec

        from weft.cli.screen import FORMAT

        data = msgspec.json.encode({"format": FORMAT, "jobs": jobs.to_dicts()})
    write_file(path, data)
    click.echo(f"{count(len(jobs), 'job')} written to {path}", err=True)


def _forget(which: dict[str, Any], *, yes: bool, as_json: bool) -> int:
    from weft.cli.progress import print_json
    from weft.core.quantities import count
    from weft.store.history import History

    if not any(value not in ("", None) for value in which.values()):
        hint = "choose them by --before, --app, --system or --queue; --app '*' is all that have an app"
        raise UsageError("it is not said which jobs to forget", where="--forget", hint=hint)
    with History() as history:
        number = len(history.jobs(**which)) + history.unreadable
        if number and not yes:
            _agree(f"{count(number, 'job')} of {count(len(history.jobs()), 'ended job')}")
        number = history.forget(**which) if number else 0
    if as_json:
        print_json({"forgotten": number})
    else:
        click.echo(f"{count(number, 'job')} forgotten")
    return Exit.DONE


def _agree(what: str) -> None:
    """Ask whether these may be forgotten; Abort if not."""
    if not is_terminal(sys.stdin):
        raise NeedsDecision(f"{what} would be forgotten", hint="--yes forgets them without asking")
    click.confirm(f"Forget {what}?", abort=True, err=True)
