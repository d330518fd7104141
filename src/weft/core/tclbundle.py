"""A placeholder until the real one arrives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render(content: Mapping[str, Any]) -> str:
    raise NotImplementedError
