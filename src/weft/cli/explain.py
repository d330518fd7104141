"""``weft explain``: the whole story of one case, job or step, or why the study stands as it does."""

from __future__ import annotations

import click

from weft.cli.options import HERE, addressed, at, json_option, split_study, words_argument
from weft.errors import Exit, UsageError

STEPS = ("before", "after")


@click.command("explain", short_help="Tell the story of a case, a job or a step.")
@words_argument("[CASE|JOB|before|after]")
@json_option("Print one JSON document.")
def command(words: tuple[str, ...], as_json: bool) -> int:
    """Tell the whole story of a case or a job, or of the step `before` or `after` the cases.

    The first letters of an id will do. Without a word: why the study stands as it does.
    """
    # A folder may be called as a step is: that word alone means the step.
    study, asked = (HERE, words) if words in [(step,) for step in STEPS] else split_study(words)
    if len(asked) > 1:
        raise UsageError(
            "say one thing to explain: a case, a job, `before` or `after`",
            hint="`weft results` lists the cases, `weft status` the jobs that run",
        )
    from weft.api import Study
    from weft.render.text import printable

    story = Study.load(study).explain(*asked)
    if as_json:
        from weft.cli.progress import print_json

        print_json({"asked": "".join(asked), "story": story})
    else:
        click.echo("\n".join(addressed(printable(line), at(study)) for line in story))
    return Exit.DONE
