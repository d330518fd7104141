"""Colours that everybody can tell apart, and text that everybody can read."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest

from weft.core.jobtable import PHASES, RUNNER_SPANS
from weft.render.palette import DARK, HEATS, LIGHT, NAMES, VARIABLES, contrast, css, luminance, named, word

AA = 4.5
APART = 0.06
"""Least distance in OKLab of any two phases, for any eyes; 0.02 is about what one just notices side by side."""

EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red cones": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green cones": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
"""What is left of linear red, green, blue: Machado, Oliveira and Fernandes (2009), severity 1."""

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def seen(colour: str, eyes: str) -> tuple[float, float, float]:
    """Where a hex colour lies in OKLab, for these eyes."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    red, green, blue = (
        min(1.0, max(0.0, sum(k * part for k, part in zip(row, linear, strict=True)))) for row in EYES[eyes]
    )
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


@THEMES
@pytest.mark.parametrize("eyes", EYES)
def test_any_two_phases_can_be_told_apart(theme: dict[str, str], eyes: str) -> None:
    phases = [*(phase.value for phase in PHASES), "CASES"]
    distances = {
        (a, b): math.dist(seen(theme[a], eyes), seen(theme[b], eyes)) for a, b in combinations(phases, 2)
    }
    nearest = min(distances, key=lambda pair: distances[pair])
    assert distances[nearest] >= APART, f"{nearest}: {distances[nearest]:.3f}"


@THEMES
@pytest.mark.parametrize("eyes", EYES)
def test_spans_of_the_runner_that_follow_each_other_can_be_told_apart(
    theme: dict[str, str], eyes: str
) -> None:
    for one, other in [*pairwise(RUNNER_SPANS), ("SETUP", "RUNNING"), ("PACK", "RUNNING")]:
        assert math.dist(seen(theme[one], eyes), seen(theme[other], eyes)) >= APART, (one, other)


@THEMES
def test_all_text_can_be_read(theme: dict[str, str]) -> None:
    for ground in ("page", "panel"):
        for ink in ("ink", "soft", "accent", "failure", "waste", "note"):
            assert contrast(theme[ink], theme[ground]) >= AA, (ink, ground)
    for name in (*NAMES, "OTHER", *(f"heat-{step}" for step in range(HEATS))):
        assert contrast(theme[f"on-{name}"], theme[name]) >= AA, name


@THEMES
def test_heat_goes_one_way(theme: dict[str, str]) -> None:
    """So that a map reads in grey, too."""
    steps = [luminance(theme[f"heat-{step}"]) for step in range(HEATS)]
    assert steps in (sorted(steps), sorted(steps, reverse=True))
    assert contrast(theme["heat-0"], theme[f"heat-{HEATS - 1}"]) >= AA


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_both_themes_have_the_same_names() -> None:
    assert LIGHT.keys() == DARK.keys() == VARIABLES.keys()
    assert VARIABLES["RUNNING"] == "var(--RUNNING)"
    assert f"--RUNNING:{DARK['RUNNING']};" in css(DARK)


def test_what_is_unknown_has_a_colour_and_a_word() -> None:
    assert named("RUNNING") == "RUNNING"
    assert named("NEW_PHASE") == "OTHER"
    assert word("STAGING_INPUTS") == "staging inputs"
    assert word("NEW_PHASE") == "new phase"
