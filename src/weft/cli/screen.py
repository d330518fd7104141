"""What the commands share about the screen: colours, width, and one way to say things."""

from __future__ import annotations

import os
from typing import IO, Any

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
