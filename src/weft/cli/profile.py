"""``weft profile``: where the time went."""

from __future__ import annotations

import click

from weft.cli.options import json_option, study_argument
from weft.errors import Exit


@click.command("profile", short_help="Say where the time went.")
@study_argument
@json_option("Print one JSON document.")
def command(study: str, as_json: bool) -> int:
    """Say where the time went: jobs, the runner's own steps, cases, idle slots.

    Works while the study runs.
    """
    from weft.api import Study

    found = Study.load(study).profile()
    if as_json:
        from msgspec import structs

        from weft.cli.progress import print_json

        print_json(structs.asdict(found))
    else:
        from weft.render.text import profile_text

        click.echo(profile_text(found))
    return Exit.DONE
