"""``weft retry``: run failed cases again."""

from __future__ import annotations

import click

from weft.cli.options import at, check_option, json_option, rerun_option, split_study, words_argument
from weft.errors import Exit


@click.command("retry", short_help="Run failed cases again.")
@words_argument("[CASES]...")
@click.option("--no-run", is_flag=True, help="Only note it; the next `weft run` runs them.")
@rerun_option
@check_option
@json_option("Print progress as JSON lines.")
def command(words: tuple[str, ...], no_run: bool, rerun: bool | None, no_check: bool, as_json: bool) -> int:
    """Give failed cases (none named: all of them) new attempts, lift a hold, and run them.

    A case that ran out of time or memory starts with more. If another process runs the study, it
    takes them up.

    Begins with the same checks as `weft run`.
    """
    from weft.api import Study
    from weft.cli.run import check_before, decision, watched
    from weft.core.quantities import count

    study, cases = split_study(words)
    loaded = Study.load(study)
    before = loaded.status()
    if not (cases or before.failed or before.hold):
        click.echo(f"{before.name}: no case has failed, so there is nothing to retry")
        return Exit.DONE
    if no_run or before.running_by:
        loaded.retry(cases, run=False)
        what = count(len(cases) or before.failed, "case")
        when = f"{before.running_by} takes it up" if before.running_by else f"`weft run{at(study)}` runs them"
        click.echo(f"{before.name}: asked to run {what} again; {when}")
        return Exit.DONE
    if not no_check:
        check_before("retry", loaded, at(study), as_json=as_json)
    decide = decision(rerun, as_json)
    return watched(
        loaded,
        at(study),
        lambda update: loaded.retry(cases, check=False, decide=decide, watch=update),
        as_json=as_json,
    )
