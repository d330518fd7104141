"""``weft run``: run what is not done yet, and watch it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from weft.cli.options import at, check_option, json_option, packing_options, rerun_option, study_argument
from weft.cli.screen import is_terminal, say_next
from weft.errors import Exit

if TYPE_CHECKING:
    from weft.api import Study
    from weft.core.checks import Check
    from weft.core.forecast import Question
    from weft.core.summary import Summary
    from weft.writer import Decide, Watch

MOST_WARNINGS = 3
"""Warnings that a run begins with; `weft check` tells the others."""


@click.command("run", short_help="Run what is not done yet, and watch it.")
@study_argument
@click.option("--on", metavar="BACKEND", default="", help="Where to run, instead of run.on.")
@click.option(
    "--pilot",
    metavar="N",
    type=click.IntRange(min=1),
    default=None,
    help="Try N cases spread over the space first, to learn how long a case takes.",
)
@packing_options
@click.option("--detach", is_flag=True, help="Go on without this terminal; `weft status` tells how it goes.")
@rerun_option
@check_option
@json_option("Print progress as JSON lines.")
def command(
    study: str,
    on: str,
    pilot: int | None,
    prefer: str | None,
    max_su: float | None,
    detach: bool,
    rerun: bool | None,
    no_check: bool,
    as_json: bool,
) -> int:
    """Run the cases that are not done yet, and watch until nothing is left to do.

    Ctrl-C lets go of the study without stopping its jobs; `weft run` takes it up again.

    What `weft check` finds is said first, and a check that fails stops the run before anything is sent.
    """
    from weft.api import Study

    loaded = Study.load(study, on=on, prefer=prefer or "", max_su=max_su)
    if not no_check:
        check_before("run", loaded, at(study), pilot=bool(pilot), as_json=as_json)
    if max_su is not None:
        _say_if_without_effect(loaded)
    decide = decision(rerun, as_json)
    if detach:
        return _detach(loaded, at(study), pilot or 0, decide, as_json)
    return watched(
        loaded,
        at(study),
        lambda update: loaded.run(pilot=pilot or 0, check=False, decide=decide, watch=update),
        as_json=as_json,
    )


def check_before(word: str, study: Study, place: str, *, pilot: bool = False, as_json: bool) -> None:
    """Say what ``weft run`` or ``weft retry`` should know, and raise CheckFailed where it should not begin."""
    from weft.core.checks import refusal

    failed, warned = study.doubts(pilot=pilot, place=place)
    if failed and study.submits(retry=word == "retry"):
        see, anyway = f"`weft check{place}`", f"`weft {word}{place} --no-check`"
        raise refusal(failed, where=study.spec.file, see=see, mend="`--fix`", anyway=anyway)
    _warn([*failed, *warned], place, as_json=as_json)


def _warn(warned: Sequence[Check], place: str, *, as_json: bool) -> None:
    from weft.cli.check import as_data
    from weft.cli.progress import print_json
    from weft.render.text import WIDTH, cut

    if as_json:
        for check in warned:
            print_json({"type": "check", **as_data(check)})
        return
    for check in warned[:MOST_WARNINGS]:
        click.echo(cut(f"warning: {check.evidence}", WIDTH), err=True)
    if len(warned) > MOST_WARNINGS:
        click.echo(f"and {len(warned) - MOST_WARNINGS} more: `weft check{place}`", err=True)


def _say_if_without_effect(study: Study) -> None:
    """Say so of a limit on service units where nothing is charged."""
    from weft.backends.registry import backend_for
    from weft.foresight import without_effect

    said = without_effect(study.spec, backend_for(study.spec, study.folder).limits)
    if said:
        click.echo(f"note: {said}", err=True)


def watched(study: Study, place: str, work: Callable[[Watch], Summary], *, as_json: bool) -> int:
    """Do work that runs the study, show its progress, and say how it ended; returns the exit code."""
    from weft.cli.progress import view

    began = time.monotonic()
    try:
        with view(as_json=as_json) as shown:
            summary = work(shown.update)
    except KeyboardInterrupt:
        _let_go(study, place)
        return Exit.INTERRUPTED
    return _finish(study, place, summary, time.monotonic() - began, as_json)


def _finish(study: Study, place: str, summary: Summary, seconds: float, as_json: bool) -> int:
    """Say how a run ended, and return the exit code that says the same."""
    from weft.cli import report
    from weft.cli.progress import print_json
    from weft.core.quantities import duration
    from weft.render.text import printable

    code = report.exit_code(summary)
    found = report.reasons(study) if summary.failed else []
    if as_json:
        told = {"failures": report.reasons_data(found), "table": str(study.folder.parquet)}
        print_json({"type": "end", "exit": code, **report.as_data(summary), **told})
        return code
    click.echo(f"{summary.name}: {report.counts(summary)}; took {duration(seconds)}")
    if summary.hold:
        click.echo(f"held: {printable(summary.hold)}")
    for line in report.reason_lines(found, place):
        click.echo(line)
    for line in report.complaint_lines(summary):
        click.echo(line)
    click.echo(f"table: {report.shown_path(study.folder.csv)} (and results.parquet)")
    step = report.next_step(summary, place)
    if step:
        say_next(step)
    return code


def decision(rerun: bool | None, as_json: bool) -> Decide | str | None:
    """The answer that was given as an option, or whom to ask, or nobody."""
    if rerun is not None:
        return "rerun" if rerun else "keep"
    return _ask if is_terminal(sys.stdin) and not as_json else None


def _ask(question: Question) -> str:
    from weft.core.quantities import count

    click.echo(f"Changed since the last run: {', '.join(question.changed)}.")
    click.echo(f"Results from before: {count(question.results, 'case')}.")
    answer: str = click.prompt("Run these again, or keep their results?", type=click.Choice(question.choices))
    return answer


def _detach(study: Study, place: str, pilot: int, decide: Decide | str | None, as_json: bool) -> int:
    from weft.cli.progress import print_json

    pid = study.detach(pilot=pilot, check=False, decide=decide)
    if as_json:
        print_json({"type": "detached", "pid": pid, "log": str(study.folder.log)})
    else:
        click.echo(f"{study.spec.name} runs on without this terminal (process {pid}).")
        say_next(f"`weft status{place} --watch` follows it, `weft cancel{place}` stops it")
    return Exit.STILL_RUNNING


def _let_go(study: Study, place: str) -> None:
    """Say that the jobs go on, and how to come back."""
    click.echo(err=True)
    click.echo(f"Let go of {study.spec.name}; its jobs go on.", err=True)
    say_next(f"`weft run{place}` takes it up again, `weft cancel{place}` stops the jobs", err=True)
