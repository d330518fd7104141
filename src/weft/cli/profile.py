"""``weft profile``: where the time went, of a study or of any jobs of a Tapis account."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from weft.cli.options import HERE, json_option
from weft.cli.screen import is_terminal
from weft.errors import Exit, UsageError, WeftError

if TYPE_CHECKING:
    from weft.core.profile import Profile
    from weft.tapis.histories import History

_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([hdw])")


@click.command("profile", short_help="Say where the time went.")
@click.argument("words", nargs=-1, metavar="[STUDY | UUID...]")
@click.option("--tapis", is_flag=True, help="Of the jobs of a Tapis account that have these UUIDs.")
@click.option(
    "--app", metavar="APP", default="", help="Of all jobs of this Tapis app; * stands for anything."
)
@click.option("--all", "everything", is_flag=True, help="Of all jobs of the Tapis account.")
@click.option(
    "--since", metavar="WHEN", default="", help="With --app or --all: made since 12h, 30d, 4w or 2026-03-01."
)
@click.option("--base-url", metavar="URL", default="", help="Which Tapis, with logins at several.")
@json_option("Print one JSON document.")
def command(
    words: tuple[str, ...], tapis: bool, app: str, everything: bool, since: str, base_url: str, as_json: bool
) -> int:
    """Say where the time went: jobs, the runner's own steps, cases, idle slots.

    Works while the study runs.

    With --tapis, --app or --all: of any jobs of your Tapis account, whether weft launched them or not, by
    their histories. What was read of a job that is over is kept, and not asked for again.
    """
    chosen = [name for name, given in (("--tapis", tapis), ("--app", app), ("--all", everything)) if given]
    _check(words, chosen, since)
    if not chosen:
        return _of_study(words[0] if words else HERE, as_json)
    from weft.tapis.histories import find, read_all
    from weft.tapis.login import session

    began = since_when(since, time.time()) if since else None
    with session(base_url) as speaking:
        uuids = words if tapis else find(speaking, app=app, since=began)
        found, problems = read_all(speaking, uuids)
    return _of_jobs(found, problems, as_json)


def since_when(text: str, now: float) -> float:
    """The time that "12h", "30d", "4w" (ago) or a local date means, in seconds since the epoch."""
    ago = _AGO.fullmatch(text)
    try:
        when = now - float(ago[1]) * _UNITS[ago[2]] if ago else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        hint = "say 12h, 30d or 4w for so long ago, or a date as in 2026-03-01"
        raise UsageError(f"{text!r} is no time", where="--since", hint=hint) from None
    return max(0.0, when)


def _check(words: Sequence[str], chosen: list[str], since: str) -> None:
    """The words and options go together."""
    hint = "`weft profile --help` shows what may be given"
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other", hint=hint)
    if chosen == ["--tapis"]:
        if not words:
            raise UsageError("--tapis needs the UUIDs of jobs", hint="--all is of all jobs of the account")
    elif chosen and words:
        raise UsageError(f"{chosen[0]} finds jobs by itself", hint="--tapis is of jobs that are named")
    elif len(words) > 1:
        raise UsageError("one study at a time", hint="--tapis is of jobs, named by their UUIDs")
    if since and chosen not in (["--app"], ["--all"]):
        raise UsageError("--since belongs to --app or --all", hint=hint)


def _of_study(study: str, as_json: bool) -> int:
    from weft.api import Study

    found = Study.load(study).profile()
    if as_json:
        _print_json(found)
    else:
        from weft.render.text import profile_text

        click.echo(profile_text(found))
    return Exit.DONE


def _of_jobs(found: list[History], problems: list[tuple[str, WeftError]], as_json: bool) -> int:
    from weft.render.text import jobs_text
    from weft.tapis.histories import profile

    made = profile(found)
    if as_json:
        _print_json(made, problems=[{"job": uuid, "what": str(problem)} for uuid, problem in problems])
    elif found or not problems:
        click.echo(jobs_text(made, width=_width()))
    for _, problem in problems:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {problem}", err=True)
    return Exit.PROBLEM if problems else Exit.DONE


def _width() -> int:
    """The terminal's, where names have more room than a pipe gives them."""
    import shutil

    from weft.render.text import WIDTH

    return max(WIDTH, shutil.get_terminal_size().columns) if is_terminal(sys.stdout) else WIDTH


def _print_json(found: Profile, **more: object) -> None:
    from msgspec import structs

    from weft.cli.progress import print_json

    print_json({**structs.asdict(found), **more})
