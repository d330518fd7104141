"""``weft serve``: a Tapis v3 service on this machine. The only door from here to ``service/``."""

from __future__ import annotations

import math
import os
import re
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.login import ask_password
from weft.errors import Exit, WeftError

if TYPE_CHECKING:
    from weft.service.server import Service

FIRST_USER = "weft"
PASSWORD_FILE = "password"  # noqa: S105 - the name of a file
ADDRESS_FILE = "address"


def _folder(_ctx: click.Context, _param: click.Parameter, value: str | Path) -> Path:
    if value == "":  # an unset variable of a script, most likely; as a path it would be the folder one is in
        raise click.BadParameter("the name of a folder is needed")
    return Path(value)


folder_option = click.option(
    "--folder",
    callback=_folder,
    type=click.Path(file_okay=False),
    default=lambda: Path.home() / ".weft" / "service",
    show_default="~/.weft/service",
    help="Where the service keeps all it knows: users, keys, database, files of its systems.",
)


def _tenant(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,23}", value):
        raise click.BadParameter("small letters, digits and dashes, at most 24, beginning with a letter")
    return value


def _speed(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    if math.isnan(value):
        raise click.BadParameter("a number is needed")
    return value


@click.group("serve", invoke_without_command=True, short_help="Run a Tapis v3 service on this machine.")
@folder_option
@click.option(
    "--host", default="127.0.0.1", metavar="NAME", help="127.0.0.1, localhost or ::1; nothing else."
)
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="0 takes a free one.", show_default=True
)
@click.option("--database", default="", metavar="URL", help="PostgreSQL instead of SQLite in the folder.")
@click.option(
    "--tenant", default="local", show_default=True, callback=_tenant, help="The name of the tenant."
)
@click.option(
    "--pace",
    type=click.Choice(["instant", "tapis"]),
    default="instant",
    show_default=True,
    help="Events as they happen, or with the waits of the real service.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 10_000),
    callback=_speed,
    default=1.0,
    show_default=True,
    help="Divide the waits of --pace tapis by this; the clock in histories runs as much faster.",
)
@click.option(
    "--fork-exit",
    type=click.Choice(["tapis", "real"]),
    default="tapis",
    show_default=True,
    help="Whose word counts for a FORK job: the file tapisjob.exitcode, or the process.",
)
@click.option(
    "--slurm/--no-slurm", default=None, help="Need Slurm, or leave it alone. [default: use it where found]"
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that says what shall go wrong.",
)
@click.option(
    "--output-limit",
    default=0,
    type=click.IntRange(0),
    metavar="BYTES",
    help="Kill a job whose output grows past it. [default: no limit]",
)
@click.option("--allow-http-sources", is_flag=True, help="Let transfers and apps fetch http(s) URLs.")
@click.option("--allow-remote-webhooks", is_flag=True, help="Let notifications leave this machine.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Run a Tapis v3 service on this machine: jobs are really executed, no account is needed.

    It listens on loopback only and stops at Ctrl-C; what it knows stays in its folder. Jobs of all its users run as
    you.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = options["folder"]
        return Exit.DONE
    return _serve(options)


@command.group("user", short_help="Add users, or list them.")
def user() -> None:
    """The users of the service in the folder; it may be running meanwhile."""


@user.command("add", short_help="Add a user, or give one a new password.")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--email", default="")
@click.option("--full-name", default="")
@click.pass_obj
def add(folder: Path, name: str, password_stdin: bool, email: str, full_name: str) -> int:
    """Add user NAME, or give NAME a new password; it is asked for without being shown."""
    Accounts = _part("accounts").Accounts
    accounts = Accounts(folder / "users.json")
    known = accounts.find(name) is not None
    accounts.add(name, ask_password("Password", password_stdin, twice=True), full_name=full_name, email=email)
    if name == FIRST_USER:
        (folder / PASSWORD_FILE).unlink(missing_ok=True)  # it holds one that is good no longer
    click.echo(f"{name} has a new password" if known else f"{name} can log in now")
    return Exit.DONE


@user.command("list", short_help="List the users.")
@click.pass_obj
def list_users(folder: Path) -> int:
    """List the users of the service."""
    for name in _part("accounts").Accounts(folder / "users.json").names():
        click.echo(name)
    return Exit.DONE


@command.command("demo", short_help="Try it: one job with tapipy, or a whole study.")
@click.argument("study", required=False, metavar="[STUDY]")
@click.option("--app", "apps", multiple=True, metavar="APP", help="Of the study: only through this app.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(["FORK", "BATCH"]),
    help="Of the study: only as such jobs.",
)
def demo(study: str | None, apps: tuple[str, ...], types: tuple[str, ...]) -> int:
    """Start a service for a moment, and show what became of a job of the app `hello`, sent with tapipy.

    With STUDY: log in, run the study on this machine and then through Tapis (apps `openseespy` and `python`, as FORK
    and as BATCH jobs), and say whether the tables are the same. The study's own folder is left as it is.
    """
    if study is None:
        from weft.cli.serve_demo import show

        return show()
    from weft.cli import serve_study

    return serve_study.show(study, apps or serve_study.APPS, types or serve_study.TYPES)


def _serve(options: dict[str, Any]) -> int:
    server = _part("server")
    Settings = _part("settings").Settings
    options["folder"] = Path(os.path.abspath(options["folder"]))  # noqa: PTH100 - no links are to be followed
    settings = Settings(**options)
    with server.held(settings.folder), server.listening(settings) as door:
        (settings.folder / ADDRESS_FILE).unlink(missing_ok=True)  # of a service that was killed
        service = server.Service(settings)
        _first_user(service)
        service.start()
        with _terminated_in_the_end():
            try:
                address = f"http://{_name(settings.host)}:{door.getsockname()[1]}"
                server.web_server(service, lambda: _announce(service, address)).run(sockets=[door])
            finally:
                (settings.folder / ADDRESS_FILE).unlink(missing_ok=True)
                service.stop()
    return Exit.DONE


class _Terminated(BaseException):
    """SIGTERM has come."""


@contextmanager
def _terminated_in_the_end() -> Iterator[None]:
    """Let SIGTERM end what is within, and then the process as it always does.

    The HTTP server stops at a signal and then sends it to this process again, which would die before all the rest.
    """

    def told(_number: int, _frame: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, told)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def _first_user(service: Service) -> None:
    """A service nobody can log in to is of no use: make a user once, with a password in a file of its own."""
    if service.accounts.names():
        return
    password = secrets.token_urlsafe(12)
    _part("accounts").write_secret(service.folder / PASSWORD_FILE, password.encode())
    service.accounts.add(FIRST_USER, password)


def _name(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _announce(service: Service, address: str) -> None:
    """Say where the service is and how to log in; the same address goes to a file, for programs."""
    (service.folder / ADDRESS_FILE).write_text(f"{address}\n")
    click.echo(f"Tapis v3 at {address}, tenant {service.tenant}; all it knows is in {service.folder}\n")
    secret = service.folder / PASSWORD_FILE
    if secret.exists():
        given = f"open({str(secret)!r}).read()"
        click.echo("    from tapipy.tapis import Tapis")
        click.echo(f"    t = Tapis(base_url={address!r}, username={FIRST_USER!r}, password={given})")
        click.echo("    t.get_tokens()\n")
    click.echo(
        f"Jobs of all users run as you ({_login()}), with your rights. Ctrl-C stops the service, not its jobs."
    )
    sys.stdout.flush()


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _part(name: str) -> Any:
    """A module of the service.

    Raises:
        WeftError: What it is built on is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"weft.service.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("weft"):
            raise
        raise WeftError(
            f"the service needs {error.name}, which is not installed", hint="pip install 'weft[serve,tapis]'"
        ) from error
