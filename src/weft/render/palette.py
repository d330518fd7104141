"""The colours of reports and pictures, by name, in a light and a dark theme.

Related phases share a hue: violet is weft's own work, grey waits, blue stages, green-teal runs, amber archives, red is
stopped. They differ in lightness too, so that they stay apart for colour-blind eyes and in a grey print. Text is
written in ``ink`` and ``soft``, and on a phase's colour in its ``on-``; the tests compute all contrasts (WCAG AA).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from weft.core.jobtable import PHASES, RUNNER_SPANS

HEATS = 7
"""Steps from the least to the most of a heat map."""

_LIGHT = {
    "page": "#ffffff",
    "panel": "#f6f6f3",
    "line": "#deddd6",
    "ink": "#1d2327",
    "soft": "#5b6468",
    "accent": "#00695c",
    "failure": "#b3200f",
    "waste": "#875400",
    "note": "#3a5f95",
    "PLANNED": "#d8d4ea",
    "UPLOADING": "#7a5cc0",
    "COLLECTING": "#4b1563",
    "PENDING": "#bebebe",
    "SUBMITTING_JOB": "#393d44",
    "QUEUED": "#768193",
    "PROCESSING_INPUTS": "#8cc4f4",
    "STAGING_INPUTS": "#539af3",
    "STAGING_JOB": "#1f3f9f",
    "RUNNING": "#16b0a3",
    "ARCHIVING": "#f5ae0f",
    "BLOCKED": "#c21b0d",
    "PAUSED": "#e08079",
    "UNPACK": "#c9dd9b",
    "SETUP": "#7e9a3c",
    "CASES": "#006d5b",
    "FINISH": "#a9c56a",
    "PACK": "#5f7423",
    "OTHER": "#a39e93",
}
_DARK = {
    "page": "#14181a",
    "panel": "#1d2225",
    "line": "#373e42",
    "ink": "#eceae4",
    "soft": "#a8b0b3",
    "accent": "#5fd0bd",
    "failure": "#ff8f7d",
    "waste": "#f2b84b",
    "note": "#8fb8f2",
    "PLANNED": "#cdc3ee",
    "UPLOADING": "#8f72d7",
    "COLLECTING": "#712f8b",
    "PENDING": "#d5d5d5",
    "SUBMITTING_JOB": "#505354",
    "QUEUED": "#828d9f",
    "PROCESSING_INPUTS": "#bff2ff",
    "STAGING_INPUTS": "#66aaff",
    "STAGING_JOB": "#325ac3",
    "RUNNING": "#28bc8b",
    "ARCHIVING": "#ffb621",
    "BLOCKED": "#b8150e",
    "PAUSED": "#f896ad",
    "UNPACK": "#dcebb6",
    "SETUP": "#94b04e",
    "CASES": "#137d5b",
    "FINISH": "#b9d57c",
    "PACK": "#7a9138",
    "OTHER": "#8b877e",
}
_HEAT_LIGHT = ("#e3f1ee", "#bfe2db", "#93cfc5", "#5fb5aa", "#2f958b", "#0f716a", "#064a47")
_HEAT_DARK = ("#1f3a38", "#205451", "#20706a", "#2a8f85", "#45b0a2", "#7bd0c2", "#c0efe4")
_BLACK, _WHITE = "#10151a", "#ffffff"

NAMES = (*(phase.value for phase in PHASES), *RUNNER_SPANS)
"""What has a colour of its own in a job's life, in its order."""


def luminance(colour: str) -> float:
    """Relative luminance of a hex colour, by WCAG 2."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast of two hex colours, from 1 to 21, by WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _whole(theme: dict[str, str], heat: tuple[str, ...]) -> Mapping[str, str]:
    """The theme with its heats, and with the colour of text on each colour."""
    filled = [*NAMES, "OTHER", *(f"heat-{step}" for step in range(HEATS))]
    colours = theme | {f"heat-{step}": colour for step, colour in enumerate(heat)}
    inks = {
        f"on-{name}": max(_BLACK, _WHITE, key=lambda ink: contrast(ink, colours[name])) for name in filled
    }
    return MappingProxyType(colours | inks)


LIGHT = _whole(_LIGHT, _HEAT_LIGHT)
DARK = _whole(_DARK, _HEAT_DARK)

VARIABLES: Mapping[str, str] = MappingProxyType({name: f"var(--{name})" for name in LIGHT})
"""The same names as CSS variables: one drawing for both themes."""


def css(theme: Mapping[str, str]) -> str:
    """The theme as declarations of these variables."""
    return "".join(f"--{name}:{colour};" for name, colour in theme.items())


def named(name: str) -> str:
    """What this phase or span is called in ``VARIABLES``: itself, or OTHER."""
    return name if name in NAMES else "OTHER"


def word(name: str) -> str:
    """A phase or span, or time without a job, for people: "staging inputs"."""
    return _WORDS.get(name, name.lower().replace("_", " "))


_WORDS = {
    "": "no job under way",
    "OTHER": "no job under way",
    "UNPACK": "unpacking",
    "SETUP": "set-up",
    "CASES": "cases",
    "FINISH": "finish command",
    "PACK": "packing",
    "SUBMITTING_JOB": "submitting",
}
