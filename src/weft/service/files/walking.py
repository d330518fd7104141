"""Going through folders: one after the other, in the order of their names, holding one descriptor at a time.

A folder is reached from the root of its tree each time, so that depth costs neither descriptors nor recursion, and a
link swapped in between leads nowhere. Its entries are read at once; so are their facts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from msgspec import Struct

from weft.service.answers import Problem
from weft.service.places import Tree, clean

DEEPEST = 20
"""Levels that a recursive listing goes down; the real service's limit."""

Identity = tuple[int, int]


class Found(Struct, frozen=True):
    """Something in a folder; ``path`` as it was reached, below the root."""

    path: str
    facts: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.facts.st_mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.facts.st_mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.facts.st_mode)


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def entries(tree: Tree, path: str) -> list[Found]:
    """What is in a folder, sorted by name as the real service sorts: capitals count as small letters.

    Raises:
        Problem: No such folder, or no right to list it.
    """
    with tree.folder(path) as opened, os.scandir(opened) as listed:
        found = []
        for entry in listed:
            try:
                found.append(Found(join(path, entry.name), entry.stat(follow_symlinks=False)))
            except FileNotFoundError:  # gone meanwhile
                continue
    return sorted(found, key=lambda each: (each.path.lower(), each.path))


def walk(tree: Tree, path: str, *, deepest: int | None = None, follow: bool = False) -> Iterator[Found]:
    """All that is below a folder, each folder before what is in it.

    With ``follow`` a link counts as what it leads to, unless that is outside of the tree, nothing, or a folder that
    the link lies in. A folder inside that cannot be listed is passed over.
    """
    path = clean(path)
    top = tree.stat(path)
    levels = [(iter(entries(tree, path)), _identity(top))]
    while levels:
        found = next(levels[-1][0], None)
        if found is None:
            levels.pop()
            continue
        if follow and found.is_link:
            found = _followed(tree, found, [identity for _, identity in levels])
        yield found
        if found.is_folder and (deepest is None or len(levels) <= deepest):
            levels.append((iter(_entries_or_none(tree, found.path)), _identity(found.facts)))


def _entries_or_none(tree: Tree, path: str) -> list[Found]:
    try:
        return entries(tree, path)
    except Problem:
        return []


def _followed(tree: Tree, link: Found, above: list[Identity]) -> Found:
    try:
        facts = tree.stat(link.path)
    except Problem:
        return link
    return link if _identity(facts) in above else Found(link.path, facts)


def _identity(facts: os.stat_result) -> Identity:
    return facts.st_dev, facts.st_ino
