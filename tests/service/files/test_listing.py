"""Listing folders: what is told of files, in which order, and which names a pattern chooses."""

from __future__ import annotations

import fnmatch
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.service.answers import Problem
from weft.service.files import matching
from weft.service.files.listing import listing
from weft.service.files.matching import Pattern, wildcard
from weft.service.files.walking import DEEPEST
from weft.service.places import Tree


def names(tree: Tree, path: str = "", **how: object) -> list[str]:
    return [entry.path for entry in listing(tree, "sys", path, **how)]  # type: ignore[arg-type]


@pytest.fixture
def grown(tree: Tree) -> Tree:
    for name in ("b.txt", "A.txt", "folder/inner.txt", "folder/Z", "folder/deep/x.txt"):
        (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
        (tree.root / name).write_bytes(b"12345")
    (tree.root / "link").symlink_to("folder")
    return tree


def test_what_is_told_of_a_file(grown: Tree) -> None:
    place = grown.root / "A.txt"
    place.chmod(0o640)
    os.utime(place, (0, 86_400.75))
    (entry,) = listing(grown, "sys", "//A.txt")
    assert (entry.name, entry.path, entry.url) == ("A.txt", "A.txt", "tapis://sys/A.txt")
    assert (entry.type, entry.size, entry.native_permissions) == ("file", 5, "rw-r-----")
    assert (entry.last_modified, entry.mime_type) == ("1970-01-02T00:00:00Z", "text/plain")
    assert (entry.owner, entry.group) == (str(os.getuid()), str(os.getgid()))


def test_the_types_of_entries(grown: Tree) -> None:
    os.mkfifo(grown.root / "pipe")
    found = {entry.name: (entry.type, entry.mime_type) for entry in listing(grown, "sys", "/")}
    assert found == {
        "A.txt": ("file", "text/plain"),
        "b.txt": ("file", "text/plain"),
        "folder": ("dir", None),
        "link": ("symbolic_link", None),
        "pipe": ("other", None),
    }


def test_order_offset_limit(grown: Tree) -> None:
    assert names(grown) == ["A.txt", "b.txt", "folder", "link"]
    assert names(grown, limit=2) == ["A.txt", "b.txt"]
    assert names(grown, limit=2, offset=3) == ["link"]
    assert names(grown, limit=0) == names(grown, offset=9) == []
    assert names(grown, "link") == ["link/deep", "link/inner.txt", "link/Z"]


def test_recursion_ends_at_its_depth_and_follows_no_links(grown: Tree) -> None:
    assert names(grown, recurse=True) == [
        "A.txt", "b.txt", "folder", "folder/deep", "folder/deep/x.txt", "folder/inner.txt", "folder/Z", "link",
    ]  # fmt: skip
    (grown.root / "/".join(["d"] * 30)).mkdir(parents=True)
    assert max(name.count("/") for name in names(grown, "d", recurse=True)) == DEEPEST + 1


def test_nothing_there(grown: Tree) -> None:
    for path in ("missing", "A.txt/inner", "folder/missing/x"):
        with pytest.raises(Problem) as caught:
            listing(grown, "sys", path)
        assert caught.value.status == 404


def test_names_that_are_no_text_are_told(tree: Tree) -> None:
    (tree.root / os.fsdecode(b"\xff.txt")).write_bytes(b"")
    assert names(tree) == ["\ufffd.txt"]


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("*.txt", ["A.txt", "b.txt"]),
        ("?.txt", ["A.txt", "b.txt"]),
        ("[A]*", []),
        ("regex:^[Ab]", ["A.txt", "b.txt"]),
        ("REGEX:older$", ["folder"]),
        ("regex:", ["A.txt", "b.txt", "folder", "link"]),
        ("", ["A.txt", "b.txt", "folder", "link"]),
        ("*", ["A.txt", "b.txt", "folder", "link"]),
    ],
)
def test_patterns(grown: Tree, pattern: str, chosen: list[str]) -> None:
    assert names(grown, pattern=pattern) == chosen


def test_patterns_choose_within_recursion_and_before_the_limit(grown: Tree) -> None:
    found = names(grown, recurse=True, pattern="*.txt", offset=1, limit=2)
    assert found == ["b.txt", "folder/deep/x.txt"]


@pytest.mark.parametrize("pattern", ["regex:(", "regex:" + "(" * 300, "x" * 600, "regex:a{99999999999}"])
def test_patterns_that_are_none(grown: Tree, pattern: str) -> None:
    with pytest.raises(Problem) as caught:
        listing(grown, "sys", "", pattern=pattern)
    assert caught.value.status == 400


def test_an_expression_that_never_ends_is_ended(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SECONDS", 0.5)
    (tree.root / ("a" * 200)).write_bytes(b"")
    with pytest.raises(Problem, match="too long"):
        listing(tree, "sys", "", pattern="regex:^(a+)+$$b")
    assert wildcard("*a" * 100 + "b", "a" * 250) is False


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_match_as_the_shell_does(pattern: str, name: str) -> None:
    assert wildcard(pattern, name) == bool(re.fullmatch(fnmatch.translate(pattern), name))


def test_names_with_odd_characters_reach_the_expression_whole() -> None:
    odd = ["a\u2028b", 'quo"te', "\u00e9"]
    with Pattern("regex:^.{3,6}$") as pattern:
        assert pattern.matches(odd) == [True, True, False]
