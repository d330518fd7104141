"""``weft logout``: forget a login."""

from __future__ import annotations

import click

from weft.errors import Exit


@click.command("logout", short_help="Forget a login.")
@click.argument("base_url", default="", metavar="[BASE_URL]")
def command(base_url: str) -> int:
    """Forget the login at BASE_URL, or the only one there is, and delete the OAuth client that was made for it.

    Jobs that are there go on. A run that finds its token no longer accepted stops with exit code 12; after the next
    `weft login`, `weft run` takes its jobs up again.
    """
    from weft.tapis.login import forget

    left_over = forget(base_url)
    click.echo("logged out")
    if left_over:
        click.echo(f"its OAuth client may still be there: {left_over}", err=True)
    return Exit.DONE
