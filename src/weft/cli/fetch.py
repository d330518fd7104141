"""``weft fetch``: take kept outputs of cases out of the ZIPs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from weft.cli.options import split_study, words_argument
from weft.errors import Exit, UsageError

if TYPE_CHECKING:
    from weft.api import Study

FILES_SHOWN = 10


@click.command("fetch", short_help="Take kept outputs of cases out of the ZIPs.")
@words_argument("[CASES]...")
@click.option("--to", metavar="DIR", default="outputs", show_default=True, help="Folder that gets one per case.")
@click.option("--only", metavar="PATTERN", multiple=True, help="Only files that match, as '*.out'; may be repeated.")
@click.option("--failed", is_flag=True, help="The cases that failed.")
@click.option("--all", "all_cases", is_flag=True, help="All cases.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def command(
    words: tuple[str, ...], to: str, only: tuple[str, ...], failed: bool, all_cases: bool, overwrite: bool
) -> int:
    """Take the kept outputs and logs of the CASES named out of the ZIPs: DIR/CASE/FILE.

    The first letters of an id will do.
    """
    from weft.api import Study
    from weft.cli.report import plural, shown_path

    study, cases = split_study(words)
    loaded = Study.load(study)
    chosen = _chosen(loaded, cases, failed=failed, all_cases=all_cases)
    if failed and not chosen:
        click.echo(f"{loaded.spec.name}: no case has failed")
        return Exit.DONE
    files = loaded.fetch(chosen, to, only, overwrite=overwrite)
    for path in files[:FILES_SHOWN]:
        click.echo(shown_path(path))
    if len(files) > FILES_SHOWN:
        click.echo(f"and {len(files) - FILES_SHOWN:,} more")
    click.echo(f"{plural(len(files), 'file')} in {to}", err=True)
    return Exit.DONE


def _chosen(study: Study, cases: tuple[str, ...], *, failed: bool, all_cases: bool) -> tuple[str, ...]:
    """The cases that are meant; none stands for all, which must be said."""
    if bool(cases) + failed + all_cases != 1:
        raise UsageError(
            "say which cases: name them, or give --failed, or --all",
            hint="`weft results` lists the cases",
        )
    if not failed:
        return cases
    from weft.cli.report import failed_cases

    return tuple(failed_cases(study))
