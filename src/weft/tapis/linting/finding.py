"""What is wrong with an app: where it stands, why it matters, what to do."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Level(str, Enum):
    """An error breaks jobs or hides that they failed; a warning does so in some surroundings, or wastes time."""

    ERROR = "error"
    WARNING = "warning"


class Finding(Struct, frozen=True, kw_only=True):
    """One fault. ``rule`` names its kind; ``line`` counts from 1 and is 0 for a fault of the file as a whole."""

    file: str
    line: int
    level: Level
    rule: str
    what: str
    why: str
    remedy: str

    @property
    def where(self) -> str:
        """File and line, as editors take them."""
        return f"{self.file}:{self.line}" if self.line else self.file
