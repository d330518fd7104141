"""``weft cancel``: stop jobs, or give up cases."""

from __future__ import annotations

import click

from weft.cli.options import at, split_study, words_argument
from weft.cli.screen import say_next
from weft.errors import Exit


@click.command("cancel", short_help="Stop jobs, or give up cases.")
@words_argument("[JOBS|CASES]...")
def command(words: tuple[str, ...]) -> int:
    """Stop the jobs named and give up the cases named.

    The cases of a job that is stopped by name are given up, too. A case that is given up while it
    runs is let end, and then counts as it ended. `weft retry` takes back what was given up.

    With none named, stop everything; the cases that are not done then wait for the next `weft run`.
    If nobody else runs the study, this waits until the jobs have stopped; else the process that
    runs it is asked.
    """
    from weft.api import Study
    from weft.cli import report

    study, named = split_study(words)
    loaded = Study.load(study)
    before = loaded.status()
    if not (named or before.running_by or before.jobs_live):
        click.echo(f"{before.name}: nothing is running, so there is nothing to cancel")
        return Exit.DONE
    jobs = [word for word in named if _names_a_job(word)]
    cases = [word for word in named if not _names_a_job(word)]
    after = loaded.cancel(jobs, cases)
    if before.running_by:
        click.echo(f"{before.name}: asked {before.running_by} to {_what(jobs, cases, 'stop', 'give up')}")
        say_next(f"`weft status{at(study)}` tells when it has")
        return Exit.DONE
    click.echo(f"{before.name}: {_what(jobs, cases, 'stopped', 'gave up')}; {report.counts(after)}")
    step = report.next_step(after, at(study))
    if step:
        say_next(step)
    return Exit.DONE


def _names_a_job(word: str) -> bool:
    """A job is named by its id, which has dashes, or its number; a case's id is twelve hexadecimal digits."""
    return "-" in word or (len(word) == 4 and word.isdigit())


def _what(jobs: list[str], cases: list[str], stop: str, give_up: str) -> str:
    from weft.core.quantities import count

    named = ((stop, jobs, "job"), (give_up, cases, "case"))
    parts = [f"{verb} {count(len(words), noun)}" for verb, words, noun in named if words]
    return " and ".join(parts) or f"{stop} everything"
