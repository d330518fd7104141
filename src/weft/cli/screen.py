"""What the commands share about the screen: colours, width, and one way to say things."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO, Any

import click

FORMAT = 1
"""Version of every JSON document that a command prints."""


def is_terminal(stream: IO[Any] | None) -> bool:
    """Does a person read this stream, on a terminal that can move its cursor?"""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


def colours(stream: IO[Any] | None) -> bool:
    """May this stream be coloured: a terminal, and the user has not said NO_COLOR?"""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width() -> int:
    """Columns of the terminal that standard output is, but 80 at least; 80 where it is none."""
    import shutil
    import sys

    from weft.render.text import WIDTH

    return max(WIDTH, shutil.get_terminal_size().columns) if is_terminal(sys.stdout) else WIDTH


# What to do next


_BEFORE_A_COMMAND = re.compile(r"(?<=,) (?=`)")
_WORD = re.compile(r"`[^`]*`\S*|\S+")
"""A command is one word, since it is copied."""


def say_next(step: str, *, err: bool = False) -> None:
    """Say what to do next: on one line where that fits, else each command on a line of its own, and whole."""
    from weft.render.text import WIDTH

    head = "next: "
    parts = [step] if len(head + step) <= WIDTH else _BEFORE_A_COMMAND.split(step)
    for line in (line for part in parts for line in _wrapped(part, WIDTH - len(head))):
        click.echo(f"{head}{line}", err=err)
        head = " " * len(head)


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in _WORD.findall(text):
        if line and len(f"{line} {word}") > width:
            yield line
            line = ""
        line = f"{line} {word}".lstrip()
    yield line
