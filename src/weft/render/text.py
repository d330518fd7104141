"""Plain text for a terminal or a log: aligned columns and bars of at most 80 characters, ASCII only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from weft.core.quantities import duration, moment, size
from weft.core.story import Words
from weft.store.folder import StudyFolder

WIDTH = 80
GAP = "  "
NAME_LEAST = 8
"""Where there is less room, a name says nothing."""


def columns(
    rows: Sequence[Sequence[str]], right: Iterable[int] = (), indent: str = "", width: int | None = None
) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell; ``right`` are aligned to the right.

    Where a line would be wider than ``width``, the first cells, which are names, give way to the figures.
    """
    if not rows:
        return []
    cells_of = [[on_a_line(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in cells) for cells in zip(*cells_of, strict=True)]
    if width is not None:
        room = width - len(indent) - sum(len(GAP) + each for each in widths[1:])
        widths[0] = min(widths[0], max(NAME_LEAST, room))
    to_right = set(right)
    lines = []
    for name, *figures in cells_of:
        row = [squeezed(name, widths[0]), *figures]
        cells = [
            cell.rjust(width) if place in to_right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + GAP.join(cells)).rstrip())
    return lines


def printable(text: str) -> str:
    """The text with control characters spelt out: what a model printed must not steer the user's terminal."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else f"\\x{ord(sign):02x}" for sign in text)


def on_a_line(text: str) -> str:
    """The same without a line end, which is spelt out too."""
    return printable(text).replace("\n", "\\n")


def squeezed(text: str, width: int, mark: str = "...") -> str:
    """The text with its middle left out where it is longer than this: names differ at their ends."""
    if len(text) <= width:
        return text
    left = max(0, width - len(mark))
    return text[: left // 2] + mark[:width] + text[len(text) - (left - left // 2) :]


def cut(text: str, width: int) -> str:
    """The text on one line, with "..." where it had to be cut to this width."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: max(0, width - 3)] + "..."[:width]


def bar(parts: Mapping[str, float], width: int, whole: float | None = None) -> str:
    """One line of ``width`` characters: each part (a character and its amount) in its share of the whole.

    Shares are rounded at their ends, so the line is as long as the whole for any number of parts; a part may
    be too small to be seen.
    """
    total = whole if whole is not None else sum(parts.values())
    if total <= 0:
        return " " * width
    line, done = "", 0.0
    for character, amount in parts.items():
        done += max(0.0, amount)
        end = min(width, round(width * done / total))
        line += character[0] * (end - len(line))
    return line.ljust(width)


def cut_lines(lines: Iterable[str], width: int) -> Iterator[str]:
    """The same lines, cut to a width; what stands at their left stays."""
    return (line if len(line) <= width else line[: width - 3] + "..." for line in lines)


def words(folder: StudyFolder, now: float) -> Words:
    """How stories are written for people: local times with how long ago, and paths of this study."""
    return Words(
        when=lambda at: moment(at, now),
        lasting=duration,
        size=size,
        place=lambda job: _short_path(folder.job(job)),
    )


def _short_path(path: Path) -> str:
    """Relative to the current folder where it lies within it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


# Choosing what fits


def fitting(
    names: Sequence[str], width_of: Callable[[str], int], width: int, gap: int = len(GAP)
) -> list[str]:
    """The first of these columns that fit in a line, in order; one that is too wide is passed over."""
    chosen, used = [], -gap
    for name in names:
        needed = width_of(name) + gap
        if used + needed <= width:
            chosen.append(name)
            used += needed
    return chosen
