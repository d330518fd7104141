"""``weft login``: get a token of a Tapis service and keep it."""

from __future__ import annotations

import math
import os
import sys
import time
from datetime import datetime

import click

from weft.cli.screen import is_terminal
from weft.errors import Exit, NotLoggedIn, UsageError


@click.command("login", short_help="Log in to a Tapis service.")
@click.argument("base_url", default="", metavar="[BASE_URL]")
@click.option("--user", default="", metavar="NAME", help="Who you are there. [default: it is asked]")
@click.option("--tenant", default="", metavar="NAME", help="The tenant, if you do not know its base URL.")
@click.option("--no-refresh", is_flag=True, help="Make no OAuth client; the login then ends with its token.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def command(base_url: str, user: str, tenant: str, no_refresh: bool, password_stdin: bool) -> int:
    """Log in to the Tapis service at BASE_URL (as https://designsafe.tapis.io); it is the last one by default.

    The password is asked for, sent once, and kept nowhere; the tokens it gives are kept in ~/.weft/logins and renewed
    where the tenant allows that.
    """
    from weft.tapis import login

    where = login.address(base_url or _where(tenant))
    login.seek(where)
    user = user or _user(where)
    password = ask_password(f"Password of {user} at {where}", password_stdin)
    made = login.log_in(where, user, password, tenant=tenant, renewable=not no_refresh)
    click.echo(f"logged in at {made.base_url} as {made.user}, tenant {made.tenant or 'unknown'}")
    if math.isinf(made.lasts_until):
        click.echo("the login is renewed by itself; `weft logout` ends it")
        return Exit.DONE
    end = datetime.fromtimestamp(made.lasts_until).astimezone()
    hours = (made.lasts_until - time.time()) / 3600
    why = "as you asked" if no_refresh else "since this tenant gives no tokens that can be renewed"
    click.echo(f"the login lasts until {end:%Y-%m-%d %H:%M} ({hours:.1f} h), {why};")
    click.echo(
        "a run that needs it longer stops then, and its jobs go on: `weft login` again, then `weft run`"
    )
    return Exit.DONE


def _where(tenant: str) -> str:
    from weft.tapis.login import ADDRESS_VARIABLE, latest

    if tenant:
        return f"https://{tenant}.tapis.io"
    last = latest()
    known = os.environ.get(ADDRESS_VARIABLE, "") or (last.base_url if last else "")
    if known:
        return known
    if not is_terminal(sys.stdin):
        raise UsageError("which Tapis service?", hint="`weft login https://designsafe.tapis.io`, for example")
    return str(click.prompt("Base URL of the Tapis service", default="https://designsafe.tapis.io"))


def _user(where: str) -> str:
    from weft.tapis.login import saved

    try:
        return saved(where).user
    except NotLoggedIn:
        pass
    if not is_terminal(sys.stdin):
        raise UsageError("who are you there?", where=where, hint="say it with `--user NAME`")
    return str(click.prompt(f"User at {where}"))


def ask_password(question: str, from_stdin: bool, *, twice: bool = False) -> str:
    """What is typed without being shown, or the first line of standard input, whatever ends it."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not is_terminal(sys.stdin):
        raise UsageError(
            "there is no terminal to ask for the password on", hint="give it with `--password-stdin`"
        )
    return str(click.prompt(question, hide_input=True, confirmation_prompt=twice))
