"""What the user may have meant: the nearest of the names that exist."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return "did you mean `x`?", or what there is, or nothing when there is nothing to choose from."""
    from difflib import get_close_matches  # only ever needed when something is wrong

    choice = sorted(set(names))
    near = get_close_matches(word.lower(), [name.lower() for name in choice], n=1, cutoff=0.6)
    if near:
        return f"did you mean `{next(name for name in choice if name.lower() == near[0])}`?"
    if not choice:
        return ""
    shown = ", ".join(choice[:12]) + (", …" if len(choice) > 12 else "")
    return f"there is: {shown}"
