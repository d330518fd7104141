"""What the commands share about their arguments: which word is the study, and the common options."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

HERE = "."


def study_argument(function: Function) -> Function:
    """The optional STUDY of every command: a study file, or the folder that has one."""
    return click.argument("study", default=HERE, metavar="[STUDY]")(function)


def words_argument(metavar: str) -> Callable[[Function], Function]:
    """``[STUDY]`` and other words, told apart by ``split_study``."""
    return click.argument("words", nargs=-1, metavar=f"[STUDY] {metavar}")


def json_option(help_text: str) -> Callable[[Function], Function]:
    """``--json``: the same as data."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def rerun_option(function: Function) -> Function:
    """``--rerun/--keep``: the answer to what is asked when something that results depend on has changed."""
    return click.option(
        "--rerun/--keep",
        "rerun",
        default=None,
        help="When the command or an input has changed: run all again, or keep the results that are there.",
    )(function)


def check_option(function: Function) -> Function:
    """``--no-check``: do without the checklist."""
    return click.option("--no-check", is_flag=True, help="Leave out the checklist that a run begins with.")(
        function
    )


def packing_options(function: Function) -> Function:
    """``--cheapest``, ``--fastest``, ``--balanced`` and ``--max-su``: how to pack jobs, and what they may cost."""
    told = {
        "cheapest": "Pack the jobs so that they cost least.",
        "fastest": "Pack the jobs so that the last one is over first.",
        "balanced": "All jobs that may run at once, unless fewer are as fast and cost less (the default).",
    }
    for word, text in reversed(told.items()):
        named = click.option(
            f"--{word}", f"prefers_{word}", is_flag=True, expose_value=False, callback=_prefer, help=text
        )
        function = named(function)
    return click.option(
        "--max-su",
        metavar="N",
        type=float,
        default=None,
        callback=_finite,
        help="Refuse to run what may cost more service units than this (exit code 5).",
    )(function)


def _prefer(context: click.Context, option: click.Parameter, given: bool) -> None:
    """Take the preference that was given as ``prefer``; two of them contradict each other."""
    word = str(option.name).removeprefix("prefers_")
    before = context.params.setdefault("prefer", None)
    if given and before:
        raise click.UsageError(f"--{before} and --{word} cannot be given together")
    if given:
        context.params["prefer"] = word


def _finite(context: click.Context, option: click.Parameter, given: float | None) -> float | None:
    if given is not None and not 0 < given < math.inf:
        raise click.BadParameter("give a finite number above 0")
    return given


def split_study(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The study, and the other words: the first word is the study if it is a study's folder or ends in ``.toml``."""
    if words and _names_a_study(words[0]):
        return words[0], tuple(words[1:])
    return HERE, tuple(words)


def at(study: str) -> str:
    """The study as it follows a command in a hint, so that the hint can be typed as it stands."""
    return "" if study == HERE else f" {typed(study)}"


def typed(path: str) -> str:
    """A path as it is typed: one word to the shell, and no option to the command."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


_COMMAND = re.compile(
    r"`weft (plan|run|status|results|explain|retry|cancel|fetch|profile|share|store refresh)(?=[ `])"
)


def addressed(text: str, place: str) -> str:
    """Advice that was given without knowing where the study lies, with ``place`` (of ``at``) in its commands."""
    return text if not place or place in text else _COMMAND.sub(lambda found: found[0] + place, text)


def place_in(words: Sequence[str]) -> str:
    """The study among the words of a command line, as ``at`` gives it."""
    # One that is there: values of options may be paths, too.
    options = words.index("--") if "--" in words else len(words)
    said = [*(word for word in words[:options] if not word.startswith("-")), *words[options + 1 :]]
    return next((at(word) for word in said if _is_a_study(word)), "")


def _names_a_study(word: str) -> bool:
    return word.endswith(".toml") or "/" in word or _is_a_study(word)


def _is_a_study(word: str) -> bool:
    path = Path(word)
    try:
        return (word.endswith(".toml") and path.is_file()) or (path / "study.toml").is_file()
    except (OSError, ValueError):  # no file can be called so
        return False
