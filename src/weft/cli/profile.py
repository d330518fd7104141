"""``weft profile``: where the time went, of a study or of any jobs, what that means, and what to change."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weft.cli.options import HERE, at, json_option, typed
from weft.cli.screen import colours, is_terminal, width
from weft.core.groups import WAYS
from weft.errors import Exit, UsageError

if TYPE_CHECKING:
    from weft.core.analysis import Analysis

_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_A_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d{3})?")
_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([hdw])")
_COLOURS = {"title": None, "failure": "red", "waste": "yellow", "note": "cyan", "code": "green"}


@click.command("profile", short_help="Say where the time went, and what to change.")
@click.argument("words", nargs=-1, metavar="[STUDY | UUID... | ID... | FILE...]")
@click.option("--tapis", is_flag=True, help="Of the jobs of a Tapis account that have these UUIDs.")
@click.option(
    "--app", metavar="APP", default=None, help="Of all jobs of this Tapis app; * stands for anything."
)
@click.option("--all", "everything", is_flag=True, help="Of all jobs of the Tapis account.")
@click.option("--slurm", is_flag=True, help="Of these jobs of this machine's Slurm; none: all of yours.")
@click.option(
    "--from",
    "files",
    is_flag=True,
    help="Of the jobs in these files (- is stdin): histories, sacct, journals.",
)
@click.option(
    "--since",
    metavar="WHEN",
    default="",
    help="With --app, --all or --slurm: made since 12h, 30d, 4w or 2026-03-01.",
)
@click.option("--by", metavar="WAY", type=click.Choice(WAYS), help=f"Totals by {', '.join(WAYS)}.")
@click.option("--suggest", is_flag=True, help="Print the [resources] that the next study should ask for.")
@click.option(
    "-o",
    "--out",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write it: .html, .png, .svg, .csv, .parquet, .json, or .trace.json for Perfetto.",
)
@click.option("--base-url", metavar="URL", default="", help="Which Tapis, with logins at several.")
@json_option("Print one JSON document.")
def command(
    words: tuple[str, ...],
    *,
    tapis: bool,
    app: str | None,
    everything: bool,
    slurm: bool,
    files: bool,
    since: str,
    by: str | None,
    suggest: bool,
    out: tuple[Path, ...],
    base_url: str,
    as_json: bool,
) -> int:
    """Say where the time went, what that means, and what to change: findings, phases, transfers, jobs, cases.

    Works while the study runs.

    With --tapis, --app or --all: of any jobs of your Tapis account, whether weft launched them or not, by
    their histories. With --slurm: by the accounts of Slurm. With --from: by files that hold either.
    """
    from weft.render.files import kind_of, rendered
    from weft.store.resultfile import write_file

    flags = {
        "--tapis": tapis,
        "--app": app is not None,
        "--all": everything,
        "--slurm": slurm,
        "--from": files,
    }
    chosen = [name for name, given in flags.items() if given]
    _check(words, chosen, since, suggest=suggest, by=by, base_url=base_url)
    kinds = [kind_of(path) for path in out]  # before any work is done for a file that nobody can write
    source = chosen[0] if chosen else ""
    if source in ("", "--from", "--slurm"):
        found = _here(source, words, since)
    else:
        found = _of_tapis(words if tapis else None, app or "", since, base_url)
    if found.profile.jobs or not found.problems:
        for path, kind in zip(out, kinds, strict=True):
            write_file(path, rendered(found, kind))
    if suggest:
        _suggest(found, source, words, as_json=as_json)
    elif by:
        _print_groups(found, by, as_json=as_json)
    else:
        _print(found, out, as_json=as_json)
    return _tell_problems(found, named=tapis or (slurm and bool(words)))


def since_when(text: str, now: float) -> float:
    """The time that "12h", "30d", "4w" (ago) or a local date means, in seconds since the epoch."""
    ago = _AGO.fullmatch(text)
    try:
        when = now - float(ago[1]) * _UNITS[ago[2]] if ago else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        hint = "say 12h, 30d or 4w for so long ago, or a date as in 2026-03-01"
        raise UsageError(f"{text!r} is no time", where="--since", hint=hint) from None
    return max(0.0, when)


def _check(
    words: Sequence[str], chosen: list[str], since: str, *, suggest: bool, by: str | None, base_url: str
) -> None:
    """The words and options go together."""
    hint = "`weft profile --help` shows what may be given"
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other", hint=hint)
    if suggest and by:
        raise UsageError("--suggest and --by exclude each other", hint=hint)
    source = chosen[0] if chosen else ""
    if since and source not in ("--app", "--all", "--slurm"):
        raise UsageError("--since belongs to --app, --all or --slurm", hint=hint)
    if base_url and source not in ("--tapis", "--app", "--all"):
        raise UsageError("--base-url belongs to --tapis, --app or --all", hint=hint)
    _check_words(words, source)


def _check_words(words: Sequence[str], source: str) -> None:
    if source == "--tapis" and not words:
        raise UsageError("--tapis needs the UUIDs of jobs", hint="--all is of all jobs of the account")
    if source == "--from" and not words:
        raise UsageError("--from needs files", hint="as in: weft profile --from history.json")
    if source in ("--app", "--all") and words:
        raise UsageError(f"{source} finds jobs by itself", hint="--tapis is of jobs that are named")
    if not source and len(words) > 1:
        raise UsageError("one study at a time", hint="--tapis is of jobs, named by their UUIDs")


# Finding the jobs


def _here(source: str, words: Sequence[str], since: str) -> Analysis:
    from weft import profiling

    if source == "--slurm":
        began = since_when(since, time.time()) if since else None
        return profiling.of_slurm(words, since=began)
    if source == "--from":
        return profiling.of_files([Path(word) for word in words])
    from weft.api import Study

    study = words[0] if words else HERE
    if _A_UUID.fullmatch(study):
        raise UsageError(f"{study} is no study", hint=f"of a job of Tapis: `weft profile --tapis {study}`")
    if Path(study).is_file() and not study.endswith(".toml"):
        hint = f"of the jobs that a file tells of: `weft profile --from {typed(study)}`"
        raise UsageError("this is no study file", where=study, hint=hint)
    return Study.load(study).analysis(place=at(study))


def _of_tapis(uuids: Sequence[str] | None, app: str, since: str, base_url: str) -> Analysis:
    from weft import profiling
    from weft.core.quantities import count
    from weft.tapis.histories import find
    from weft.tapis.login import session

    began = since_when(since, time.time()) if since else None
    with session(base_url, in_person=True) as speaking:
        _say(f"asking {speaking.base_url}")
        wanted = find(speaking, app=app, since=began) if uuids is None else uuids
        _say(f"reading {count(len(wanted), 'job')}")
        return profiling.of_tapis(speaking, wanted)


def _say(text: str) -> None:
    """What is waited for, to whom waits."""
    if is_terminal(sys.stderr):
        click.echo(f"{text} ...", err=True)


# Telling


def _print(found: Analysis, written: Sequence[Path], *, as_json: bool) -> None:
    from weft.cli.progress import print_json

    if as_json:
        from weft.render.profiledata import analysis_data

        print_json(analysis_data(found))
    elif written and found.profile.jobs:
        for path in written:
            click.echo(f"written: {path}")
    elif found.profile.jobs or not found.problems:
        _print_text(found)


def _tell_problems(found: Analysis, *, named: bool) -> int:
    """Say what could not be read; it is an error if it was named, or if there is nothing else."""
    from weft.render.text import printable

    bad = named or not found.profile.jobs
    label = (
        click.style("error:", fg="red", bold=True) if bad else click.style("note:", fg="yellow", bold=True)
    )
    for problem in found.problems:
        click.echo(f"{label} {printable(problem)}", err=True)
    return Exit.PROBLEM if bad and found.problems else Exit.DONE


def _print_text(found: Analysis) -> None:
    from weft.render.profiletext import analysis_text

    click.echo(analysis_text(found, width(), _coloured if colours(sys.stdout) else lambda text, _: text))


def _coloured(text: str, kind: str) -> str:
    return click.style(text, fg=_COLOURS.get(kind), bold=kind != "code")


def _print_groups(found: Analysis, by: str, *, as_json: bool) -> None:
    from weft.cli.progress import print_json
    from weft.core.groups import groups

    table = groups(found.jobs, by)
    if as_json:
        print_json({"by": by, "groups": table.to_dicts()})
        return
    from weft.render.profiletext import groups_text

    click.echo(groups_text(table, by, width()))


def _suggest(found: Analysis, source: str, words: Sequence[str], *, as_json: bool) -> None:
    import textwrap

    from weft.cli.progress import print_json
    from weft.core.rightsizing import suggest
    from weft.render.text import WIDTH

    study = None
    if not source:
        from weft.api import Study

        study = Study.load(words[0] if words else HERE).spec
    suggestion = suggest(study, found.jobs, found.cases)
    if as_json:
        from msgspec import structs

        print_json(structs.asdict(suggestion))
        return
    for sentence in suggestion.evidence:
        for line in textwrap.wrap(sentence, WIDTH, initial_indent="# ", subsequent_indent="#   "):
            click.echo(line)
    for line in suggestion.lines:
        click.echo(line)
