"""Doing the same with many things at once, within a small bound: a service sees few requests of ours at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

One = TypeVar("One")
Answer = TypeVar("Answer")


def together(do: Callable[[One], Answer], what: Sequence[One], at_once: int) -> list[Answer]:
    """Do the same with each, so many at a time; all are done before a problem of one is raised."""
    if len(what) < 2:
        return [do(one) for one in what]
    with ThreadPoolExecutor(min(at_once, len(what))) as pool:
        asked = [pool.submit(do, one) for one in what]
    return [answer.result() for answer in asked]
