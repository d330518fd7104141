"""The front door of the command line: finds the command, prints every error, alone decides the exit status.

Commands live in one file each, named as the command, and are imported only when they are asked for, since a
command line that takes half a second to say its version is a nuisance. They return an exit code and raise
everything else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from weft import __version__
from weft.cli.groups import Commands
from weft.cli.screen import colours
from weft.core.nearest import did_you_mean
from weft.errors import Exit, StudyFileError, UsageError, WeftError

COMMANDS = (
    "init",
    "plan",
    "check",
    "run",
    "status",
    "results",
    "explain",
    "retry",
    "cancel",
    "fetch",
    "profile",
    "history",
    "share",
    "login",
    "logout",
    "app",
    "store",
    "serve",
    "doctor",
)
"""In the order in which a newcomer meets them; that is how ``weft --help`` lists them."""

BROKEN_PIPE = 141
"""What a shell sees of a program that wrote to a closed pipe (128 + SIGPIPE)."""

_DISK_PROBLEMS = frozenset({1, 5, 13, 24, 27, 28, 30, 36, 40, 122})
"""errno of what is no bug: permission, I/O, open files, size, space, read-only, long name, circle of links, quota."""


class TopCommands(Commands):
    """The group of all commands."""

    names = COMMANDS


@click.group(
    name="weft",
    cls=TopCommands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Every command takes a study file or its folder; without one it looks for study.toml here.",
)
@click.version_option(__version__, prog_name="weft", message="%(prog)s %(version)s", help="Show the version.")
@click.pass_context
def weft(ctx: click.Context) -> int:
    """One study file, many jobs, and an account of where the time went."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return Exit.DONE


def main() -> None:
    """Be the command ``weft``."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run one command line, print what there is to print, and return the exit code; raises nothing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character still shows the rest
    try:
        return _guarded(words)
    except BrokenPipeError:
        _discard_output(1, 2)
        return BROKEN_PIPE


def _guarded(words: Sequence[str]) -> int:
    try:
        code = _invoke(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except click.exceptions.Abort:  # Ctrl-C or Ctrl-D at a question
        click.echo(err=True)
        return Exit.INTERRUPTED
    except Exception as problem:
        error = _as_weft_error(problem, words)
        _print(error, words)
        return error.exit_code


def _invoke(words: Sequence[str]) -> int:
    try:
        with weft.make_context("weft", list(words), color=None if colours(sys.stdout) else False) as ctx:
            code = weft.invoke(ctx)
    except click.exceptions.Exit as leave:  # --help and --version leave this way
        code = leave.exit_code
    return code if isinstance(code, int) else Exit.DONE


def _as_weft_error(problem: Exception, words: Sequence[str]) -> WeftError:
    if isinstance(problem, WeftError):
        return problem
    if isinstance(problem, click.ClickException):
        return _usage(problem, words)
    if isinstance(problem, OSError) and problem.errno in _DISK_PROBLEMS:
        from weft.store.folder import disk_problem

        if not problem.filename:
            _discard_output(1)
        return disk_problem(problem, problem.filename or "standard output")
    return _bug(problem)


def _usage(problem: click.ClickException, words: Sequence[str]) -> UsageError:
    """What click complains of, with the nearest thing that exists."""
    ctx = getattr(problem, "ctx", None)
    path = ctx.command_path if ctx else " ".join(["weft", *(word for word in words[:1] if word in COMMANDS)])
    hint = f"`{path} --help` shows what may be given"
    if isinstance(problem, click.NoSuchOption) and ctx is not None:
        options = [
            name for param in ctx.command.get_params(ctx) for name in (*param.opts, *param.secondary_opts)
        ]
        near = did_you_mean(problem.option_name, [name for name in options if name.startswith("--")])
        hint = f"{near} ({hint})" if near.startswith("did") else hint
        return UsageError(f"`{path}` has no option `{problem.option_name}`", hint=hint)
    if ctx is not None and isinstance(problem, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        return UsageError(f"say what: {', '.join(ctx.command.list_commands(ctx))}", where=path, hint=hint)
    what = problem.format_message().rstrip(".")
    return UsageError(what[:1].lower() + what[1:], where=path, hint=hint)


def _bug(problem: Exception) -> WeftError:
    """The sentence for what should never happen; the traceback goes to a file, not to the screen."""
    import tempfile
    import traceback

    what = f"this is a bug in weft: {type(problem).__name__}: {problem}".splitlines()[0]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="weft-traceback-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(f"weft {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            file.write("".join(traceback.format_exception(problem)))
    except OSError as error:
        return WeftError(f"{what} (its traceback could not be saved: {error})", hint="please report it")
    return WeftError(f"{what}; its traceback is in {file.name}", hint="please report it, with that file")


def _print(error: WeftError, words: Sequence[str]) -> None:
    from weft.cli.options import addressed, place_in
    from weft.render.text import printable

    place = place_in(words[1:])
    label = click.style("error:", fg="red", bold=True)
    complaints = error.complaints if isinstance(error, StudyFileError) else (error,)
    try:
        for complaint in complaints:
            what, hint, advice = printable(str(complaint)).partition("\n  hint: ")
            text = f"{label} {what}{hint}{addressed(advice, place)}"
            click.echo(text, err=True, color=None if colours(sys.stderr) else False)
    except BrokenPipeError:
        raise
    except OSError:  # nowhere left to say it; the exit code still does
        _discard_output(2)


def _discard_output(*descriptors: int) -> None:
    """Let vanish what is still buffered and cannot be written, or Python would complain of it at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in descriptors:
        try:
            os.dup2(nowhere, number)
        except OSError:
            pass
