"""``weft fetch``: take kept outputs of cases out of the ZIPs."""

from __future__ import annotations

import click

from weft.cli.options import split_study, words_argument
from weft.errors import Exit, UsageError

FILES_SHOWN = 10


@click.command("fetch", short_help="Take kept outputs of cases out of the ZIPs.")
@words_argument("[CASES]...")
@click.option("--to", metavar="DIR", default="outputs", show_default=True, help="Where to put them.")
@click.option("--only", metavar="PATTERN", multiple=True, help="Only files like '*.out'; may be repeated.")
@click.option("--failed", is_flag=True, help="The cases that failed.")
@click.option("--all", "all_cases", is_flag=True, help="All cases.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def command(
    words: tuple[str, ...], to: str, only: tuple[str, ...], failed: bool, all_cases: bool, overwrite: bool
) -> int:
    """Take the kept outputs and logs of the CASES named out of the ZIPs: DIR/CASE/FILE.

    The first letters of an id will do.
    """
    study, cases = split_study(words)
    if bool(cases) + failed + all_cases != 1:
        raise UsageError(
            "say which cases: name them, or give --failed, or --all", hint="`weft results` lists the cases"
        )
    from weft.api import Study
    from weft.cli.report import failed_cases, shown_path
    from weft.core.quantities import count
    from weft.render.text import printable

    loaded = Study.load(study)
    if failed and not loaded.status().failed:
        click.echo(f"{loaded.spec.name}: no case has failed")
        return Exit.DONE
    chosen = failed_cases(loaded) if failed else cases
    files = loaded.fetch(chosen, to, only, overwrite=overwrite)
    for path in files[:FILES_SHOWN]:
        click.echo(printable(shown_path(path)))
    if len(files) > FILES_SHOWN:
        click.echo(f"and {len(files) - FILES_SHOWN:,} more")
    click.echo(f"{count(len(files), 'file')} in {to}", err=True)
    return Exit.DONE
