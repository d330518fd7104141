"""Whatever tree, whatever path: what is opened, listed, written, moved or removed lies below the root."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from tests.conftest import count

from weft.service.answers import Problem
from weft.service.files.copying import copy, move, remove
from weft.service.files.listing import listing
from weft.service.places import Places, Tree, clean

SECRET = b"not for you"


class System(Struct):
    host: str = "localhost"
    root_dir: str | None = "/"


def test_clean_drops_doubled_slashes_and_dots() -> None:
    assert clean("//a/./b///c/") == "a/b/c"
    assert clean("/") == clean("") == clean("./.") == ""
    assert clean("%2e%2e/...") == "%2e%2e/..."


@pytest.mark.parametrize(
    "path",
    ["..", "a/../b", "/../etc/passwd", "a\0b", "a\nb", "x" * 256, "\u00e9" * 128, "a/" * 2100, "\ud800"],
)
def test_clean_refuses(path: str) -> None:
    with pytest.raises(Problem) as caught:
        clean(path)
    assert caught.value.status == 400


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "root"
    (root / "folder/deeper").mkdir(parents=True)
    (root / "folder/file").write_bytes(b"mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(SECRET)
    return Tree(root)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("file", "folder/link"),
        ("../folder/file", "folder/link"),
        ("deeper/../file", "folder/link"),
        ("{root}/folder/file", "folder/link"),
        ("{root}/folder", "folder/link/file"),
        ("../folder/../folder", "folder/link/link/file"),
    ],
)
def test_links_that_stay_inside_are_followed(tree: Tree, target: str, path: str) -> None:
    (tree.root / "folder/link").symlink_to(target.format(root=tree.root))
    assert _content(tree, path) == b"mine"
    assert tree.real(path) == tree.root / "folder/file"


@pytest.mark.parametrize(
    ("target", "path", "status"),
    [
        ("/etc/passwd", "folder/link", 403),
        ("{root}/../outside", "folder/link/secret", 403),
        ("../../outside/secret", "folder/link", 403),
        ("../../root/folder/file", "folder/link", 403),
        ("/", "folder/link/etc/passwd", 403),
        ("/proc/self/root", "folder/link/etc/passwd", 403),
        ("link", "folder/link", 400),
        ("link/link", "folder/link/a", 400),
        ("nothing", "folder/link", 404),
        ("nothing/../file", "folder/link", 404),
        ("file", "folder/link/a", 404),
    ],
)
def test_links_that_lead_out_or_nowhere_are_refused(tree: Tree, target: str, path: str, status: int) -> None:
    (tree.root / "folder/link").symlink_to(target.format(root=tree.root))
    with pytest.raises(Problem) as caught:
        _content(tree, path)
    assert caught.value.status == status
    assert str(tree.root) not in caught.value.message


def test_only_regular_files_are_read(tree: Tree) -> None:
    os.mkfifo(tree.root / "pipe")
    for path in ("pipe", "folder", ""):
        with pytest.raises(Problem) as caught:
            tree.reading(path)
        assert caught.value.status == 400


def test_folders_are_made_and_files_in_the_way_named(tree: Tree) -> None:
    tree.make("a/b/c")
    tree.make("a/b/c")
    assert (tree.root / "a/b/c").is_dir()
    with pytest.raises(Problem, match="folder/file") as caught:
        tree.make("folder/file/x")
    assert caught.value.status == 400


def test_a_root_that_is_reached_by_links_is_trusted(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tree.root)
    (tree.root / "by-alias").symlink_to(tmp_path / "alias/folder/file")
    (tree.root / "by-name").symlink_to(tree.root / "folder/file")
    for name in ("by-alias", "by-name", "folder/file"):
        assert _content(Tree(tmp_path / "alias"), name) == b"mine"


@pytest.mark.parametrize("name", ["swap", "secret"])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_link_swapped_in_between_does_not_lead_out(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, calls: int
) -> None:
    """Just after something was looked at, a link to the outside takes its place."""
    (tree.root / "swap").mkdir()
    (tree.root / "swap/secret").write_bytes(b"mine")
    place = {"swap": tree.root / "swap", "secret": tree.root / "swap/secret"}[name]
    outside = {"swap": tmp_path / "outside", "secret": tmp_path / "outside/secret"}[name]
    seen = []
    look = os.stat

    def swapping(path: Any, **how: Any) -> os.stat_result:
        facts = look(path, **how)
        if path == name and "dir_fd" in how:
            seen.append(path)
            if len(seen) == calls:
                place.rename(tmp_path / "aside")
                place.symlink_to(outside)
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", swapping)
        with suppress(Problem):
            assert _content(tree, "swap/secret") == b"mine"
    assert seen


@pytest.mark.parametrize("deed", ["write", "make", "remove", "list"])
def test_a_link_swapped_in_is_not_written_through(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    (tree.root / "swap/inner").mkdir(parents=True)
    before = _outside(tmp_path)
    look = os.stat

    def swapping(path: Any, **how: Any) -> os.stat_result:
        facts = look(path, **how)
        if path == "swap" and "dir_fd" in how and not (tree.root / "aside").exists():
            (tree.root / "swap").rename(tree.root / "aside")
            (tree.root / "swap").symlink_to(tmp_path / "outside")
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", swapping)
        with suppress(Problem):
            _do(tree, deed, {"remove": "swap/secret", "list": "swap"}.get(deed, "swap/new"), "")
    assert _outside(tmp_path) == before
    assert (tree.root / "aside").exists()


def test_roots_of_systems(tmp_path: Path) -> None:
    places = Places(SimpleNamespace(folder=tmp_path))  # type: ignore[arg-type]
    hosts = tmp_path / "hosts"
    assert places.root(System(root_dir=str(tmp_path / "own"))) == tmp_path / "own"
    stand_in = System("stampede3.tacc.utexas.edu", "/work/00000/me")
    assert places.root(stand_in) == hosts / "stampede3.tacc.utexas.edu/work/00000/me"
    assert places.real(stand_in, "/a//b") == hosts / "stampede3.tacc.utexas.edu/work/00000/me/a/b"
    assert places.root(System("frontera", None)) == hosts / "frontera"
    for host, root in (("frontera", "/../other"), ("..", "/"), ("a/b", "/")):
        with pytest.raises(Problem):
            places.root(System(host, root))
    (hosts / "frontera/out").symlink_to(tmp_path)
    with pytest.raises(Problem):
        places.root(System("frontera", "/out"))


def test_the_root_of_the_machine_is_a_root_like_others(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "up").symlink_to("../" * 40 + str(tmp_path / "file").lstrip("/"))
    assert _content(Tree(Path("/")), str(tmp_path / "up")) == b"mine"


NAMES = st.sampled_from(["a", "b", "c", "link", "secret"])
PATHS = st.lists(
    st.one_of(NAMES, st.sampled_from([".", "", "..", "%2e%2e", "root", "outside"])), max_size=5
).map("/".join)
TARGETS = st.one_of(
    PATHS,
    PATHS.map(lambda path: f"../{path}"),
    PATHS.map(lambda path: f"../../{path}"),
    PATHS.map(lambda path: f"{{root}}/{path}"),
    PATHS.map(lambda path: f"{{above}}/{path}"),
    st.sampled_from(["/", "/etc/passwd", "{above}/outside/secret", ".", "..", "link", "{root}", "{above}"]),
)
ENTRIES = st.lists(
    st.tuples(st.lists(NAMES, min_size=1, max_size=4), st.one_of(st.none(), st.just(""), TARGETS)),
    max_size=12,
)
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["read", "list", "write", "make", "remove", "move", "copy", "real"]), PATHS, PATHS
    ),
    min_size=1,
    max_size=6,
)


@given(entries=ENTRIES, deeds=DEEDS)
@settings(
    max_examples=count(300, 5000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nothing_leaves_the_root(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[list[str], str | None]],
    deeds: list[tuple[str, str, str]],
) -> None:
    above = tmp_path_factory.mktemp("above")
    tree = Tree(above / "root")
    _grow(above, entries)
    before = _outside(above)
    for deed, path, other in deeds:
        with suppress(Problem):
            _do(tree, deed, path, other)
        assert _outside(above) == before
        assert not (above / "root").is_symlink()
        assert (above / "root").is_dir()


def _grow(above: Path, entries: list[tuple[list[str], str | None]]) -> None:
    """A random tree in ``root``: folders (None), files (empty) and links, beside a folder that is out of bounds."""
    for folder in ("root", "outside/a"):
        (above / folder).mkdir(parents=True)
    for secret in ("secret", "outside/secret", "outside/a/b"):
        (above / secret).write_bytes(SECRET)
    for parts, kind in entries:
        place = above.joinpath("root", *parts)
        with suppress(OSError):
            if Path(os.path.realpath(place.parent)).is_relative_to(above / "root"):
                place.parent.mkdir(parents=True, exist_ok=True)
                if kind is None:
                    place.mkdir()
                elif kind:
                    place.symlink_to(kind.format(root=above / "root", above=above))
                else:
                    place.write_bytes(b"mine")


def _do(tree: Tree, deed: str, path: str, other: str) -> None:
    if deed == "read":
        assert _content(tree, path) in (b"mine", b"")  # those written before are empty
    elif deed == "list":
        for entry in listing(tree, "system", path, recurse=True):
            assert ".." not in entry.path.split("/")
            assert Path(os.path.realpath((tree.root / entry.path).parent)).is_relative_to(tree.root)
    elif deed == "write":
        with tree.target(path) as place:
            os.close(place.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    elif deed == "make":
        tree.make(path)
    elif deed == "remove":
        remove(tree, path)
    elif deed == "real":
        found = tree.real(path)
        assert found.is_relative_to(tree.root)
        assert Path(os.path.realpath(found)) == found
    else:
        {"move": move, "copy": copy}[deed](tree, path, tree, other)
        if (tree.root / clean(other)).is_file():
            assert (
                SECRET not in (tree.root / clean(other)).read_bytes()
                or (tree.root / clean(other)).is_symlink()
            )


def _content(tree: Tree, path: str) -> bytes:
    opened, facts = tree.reading(path)
    with os.fdopen(opened, "rb") as file:
        assert stat.S_ISREG(facts.st_mode)
        return file.read()


def _outside(above: Path) -> list[tuple[str, bytes | None]]:
    """All that is beside the root, with contents."""
    found: list[tuple[str, bytes | None]] = []
    for folder, folders, files in os.walk(above):
        folders[:] = sorted(name for name in folders if Path(folder, name) != above / "root")
        found += [(str(Path(folder, name)), None) for name in folders]
        found += [(str(Path(folder, name)), Path(folder, name).read_bytes()) for name in sorted(files)]
    return found
