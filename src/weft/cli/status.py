"""``weft status``: how the study stands, also while another process runs it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from weft.cli.options import at, json_option, study_argument
from weft.cli.screen import say_next
from weft.errors import Exit

if TYPE_CHECKING:
    from weft.api import Study
    from weft.core.summary import Summary

WATCH_SECONDS = 1.0
JOBS_SHOWN = 3


@click.command("status", short_help="Say how the study stands.")
@study_argument
@click.option("--watch", is_flag=True, help="Go on showing it for as long as somebody runs the study.")
@json_option("Print one JSON document (with --watch, a line for every look).")
def command(study: str, watch: bool, as_json: bool) -> int:
    """Say how the study stands, also while it runs: cases, jobs, why cases failed, what to do next.

    Exits with 0 whatever the answer; with --watch, with what `weft run` would have said at the end.
    """
    from weft.api import Study
    from weft.cli.report import exit_code

    loaded = Study.load(study)
    summary = _watched(loaded, as_json) if watch else loaded.status()
    if as_json:
        _print_json(loaded, summary)
    else:
        _print(loaded, summary, at(study))
    return exit_code(summary) if watch else Exit.DONE


def _watched(study: Study, as_json: bool) -> Summary:
    """Show progress until nobody runs the study; returns how it stands then."""
    from weft.cli.progress import view

    summary = study.status()
    with view(as_json=as_json) as shown:
        while summary.running_by:
            shown.update(summary, [])
            time.sleep(WATCH_SECONDS)
            summary = study.status()
    return summary


def _print(study: Study, summary: Summary, place: str) -> None:
    from weft.cli import report
    from weft.core.quantities import count

    click.echo(f"{summary.name} on {summary.backend}: {report.standing(summary)}")
    click.echo(f"  cases  {report.counts(summary)}")
    click.echo(f"  jobs   {_jobs(summary)}")
    if summary.running_by and summary.eta_s:
        from weft.core.quantities import duration

        click.echo(f"  left   about {duration(summary.eta_s)}")
    if summary.retired:
        click.echo(f"  old    {count(summary.retired, 'case')} that the study no longer has")
    if summary.failed:
        click.echo("why cases failed:")
        for line in report.reason_lines(report.reasons(study), place):
            click.echo(line)
    for line in report.complaint_lines(summary):
        click.echo(line)
    step = report.next_step(summary, place)
    if step:
        say_next(step)


def _jobs(summary: Summary) -> str:
    if not summary.jobs_live:
        return f"{summary.jobs_ended:,} ended"
    named = ", ".join(summary.jobs_live[:JOBS_SHOWN]) + (
        ", ..." if len(summary.jobs_live) > JOBS_SHOWN else ""
    )
    return f"{len(summary.jobs_live):,} live ({named}), {summary.jobs_ended:,} ended"


def _print_json(study: Study, summary: Summary) -> None:
    from weft.cli.progress import print_json
    from weft.cli.report import as_data, reasons, reasons_data

    print_json({**as_data(summary), "failures": reasons_data(reasons(study) if summary.failed else [])})
