"""``weft share``: let other users see a study's jobs at Tapis, and what they brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from weft.cli.options import json_option, split_study, words_argument
from weft.errors import Exit, UsageError, WeftError

if TYPE_CHECKING:
    from weft.api import Study
    from weft.tapis.sharing import Told

PROBLEMS_SHOWN = 10


@click.command("share", short_help="Share the jobs at Tapis with other users.")
@words_argument("USER...")
@click.option("--revoke", is_flag=True, help="Share with these users no longer.")
@json_option("Print one JSON document.")
def command(words: tuple[str, ...], revoke: bool, as_json: bool) -> int:
    """Let other users of Tapis see the jobs of a study: their history, request, inputs and outputs.

    They can read all that, change none of it, and submit the same jobs as their own. The study's folder
    on the storage is shared as well where you may do that. Sharing again adds the jobs that are new.
    """
    from weft.api import Study
    from weft.tapis.login import session
    from weft.tapis.sharing import check_users, share

    study, users = split_study(words)
    if not users:
        raise UsageError("with whom?", where="weft share", hint="`weft share USER...` names them")
    loaded = Study.load(study)
    jobs = _jobs(loaded)
    settings = loaded.spec.settings.get("tapis", {})
    with session(str(settings.get("base_url") or ""), in_person=True) as speaking:
        told = share(speaking, jobs, check_users(speaking, users), revoke=revoke)
    failed = [each for each in told if each.status == "failed"]
    if as_json:
        from msgspec import structs

        from weft.cli.progress import print_json

        print_json({"name": loaded.spec.name, "shares": [structs.asdict(each) for each in told]})
    else:
        _print(loaded.spec.name, told, users)
    return Exit.PROBLEM if failed else Exit.DONE


def _jobs(study: Study) -> list[str]:
    """The uuids of all jobs that the study ever had at Tapis."""
    found = [job.native for job in study.profile().jobs if job.backend == "tapis" and job.native]
    if not found:
        hint = 'only jobs at Tapis can be shared: `run.on = "tapis"` in the study file'
        raise WeftError("the study has no jobs at Tapis", where=study.spec.name, hint=hint)
    return found


def _print(name: str, told: Sequence[Told], users: Sequence[str]) -> None:
    from weft.render.text import printable

    for user in dict.fromkeys(users):
        mine = [each for each in told if each.user == user]
        click.echo(f"{name}, {user}: {_counted(each for each in mine if not _is_folder(each))}")
        for each in filter(_is_folder, mine):
            click.echo(f"  {each.what}: {_FOLDER.get(each.status, each.status)}")
    failed = [each for each in told if each.status == "failed"]
    for each in failed[:PROBLEMS_SHOWN]:
        label = click.style("error:", fg="red", bold=True)
        click.echo(f"{label} {printable(f'{each.what}, {each.user}: {each.problem}')}", err=True)
    if len(failed) > PROBLEMS_SHOWN:
        click.echo(f"and {len(failed) - PROBLEMS_SHOWN:,} more of these (--json has all)", err=True)


_WORDS = {
    "shared": "shared",
    "already": "shared already",
    "unshared": "no longer shared",
    "was not": "not shared before",
    "failed": "failed",
}
_FOLDER = {
    "may not": "only the owner of the system may share it; the jobs' own files can be read through the jobs"
}


def _counted(told: Iterable[Told]) -> str:
    from weft.core.quantities import count

    counts = Counter(str(each.status) for each in told)
    return ", ".join(
        f"{count(counts[status], 'job')} {word}" for status, word in _WORDS.items() if counts[status]
    )


def _is_folder(told: Told) -> bool:
    return told.what.startswith("tapis://")
