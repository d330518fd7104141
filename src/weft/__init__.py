"""Weft: one study file, many jobs, and an account of where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from weft.api import Study
    from weft.core.forecast import Planned, Question
    from weft.core.summary import Summary
    from weft.errors import WeftError

__all__ = ["Planned", "Question", "Study", "Summary", "WeftError"]

_HOMES = {
    "Planned": "weft.core.forecast",
    "Question": "weft.core.forecast",
    "Study": "weft.api",
    "Summary": "weft.core.summary",
    "WeftError": "weft.errors",
}


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for (PEP 562), so that the command line starts at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
