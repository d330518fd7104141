"""What solvers, shells and batch systems print when something goes wrong, as data that findings go by. PURE."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct


class Sign(Struct, frozen=True):
    """One recognised message."""

    id: str
    pattern: str
    """A regular expression, case-insensitive."""
    means: str
    """One sentence."""


SIGNS: tuple[Sign, ...] = (
    Sign(
        "no-convergence",
        r"failed to converge|did not converge|convergence test failed|analyze failed",
        "The solver found no equilibrium in a step.",
    ),
)
"""The order in which they are tried; each line may bear several."""


def signs_in(text: str) -> list[str]:
    """Ids of the patterns in a text, each once."""
    return [sign for sign, pattern in _PATTERNS.items() if pattern.search(text)]


_PATTERNS: Mapping[str, re.Pattern[str]] = {sign.id: re.compile(sign.pattern, re.IGNORECASE) for sign in SIGNS}
