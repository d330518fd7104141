"""Writing, copying, moving and removing: what is left, also by other means and when something goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import count

from weft.service.answers import Problem
from weft.service.files import copying
from weft.service.files.copying import NewFile, copy, copy_contents, copy_file, move, remove
from weft.service.places import Tree


def names(tree: Tree) -> list[str]:
    return sorted(str(place.relative_to(tree.root)) for place in tree.root.rglob("*"))


def test_a_link_is_removed_and_not_what_it_leads_to(tree: Tree) -> None:
    (tree.root / "folder").mkdir()
    (tree.root / "folder/file").write_bytes(b"")
    for target in ("folder", "folder/file", "missing", "/etc/passwd"):
        (tree.root / "link").symlink_to(target)
        remove(tree, "link")
    assert names(tree) == ["folder", "folder/file"]


def test_a_folder_deeper_than_a_path_can_say_is_removed(tree: Tree) -> None:
    (tree.root / "deep").mkdir()
    here = os.open(tree.root / "deep", os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 50, dir_fd=here)
        deeper = os.open("d" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    remove(tree, "deep")
    assert names(tree) == []


def test_copying_and_moving_into_a_folder_and_over_a_file(tree: Tree) -> None:
    for name in ("src/a", "dst/old", "file"):
        (tree.root / name).parent.mkdir(exist_ok=True)
        (tree.root / name).write_text(name)
    (tree.root / "src/link").symlink_to("/etc/passwd")
    assert copy(tree, "src", tree, "dst") == "dst/src"
    assert os.readlink(tree.root / "dst/src/link") == "/etc/passwd"  # noqa: PTH115 - as it is written
    assert copy(tree, "src/a", tree, "file") == "file"
    assert (tree.root / "file").read_text() == "src/a"
    assert move(tree, "file", tree, "dst/old") == "dst/old"
    assert (tree.root / "dst/old").read_text() == "src/a"
    assert move(tree, "src", tree, "new/place") == "new/place"
    assert names(tree) == [
        "dst", "dst/old", "dst/src", "dst/src/a", "dst/src/link", "new", "new/place", "new/place/a", "new/place/link",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("deed", "path", "to"),
    [
        ("move", "a", "a/b"),
        ("copy", "a", "a/b/c"),
        ("copy", "a/f", "a/f"),
        ("move", "a/f", "a"),
        ("move", "a", "link/x"),
        ("copy", "", "b"),
        ("copy", "a", "f"),
        ("move", "a", "f"),
        ("move", "a/a", "."),
    ],
)
def test_what_goes_nowhere(tree: Tree, deed: str, path: str, to: str) -> None:
    (tree.root / "a/a").mkdir(parents=True)
    (tree.root / "a/f").write_bytes(b"")
    (tree.root / "f").write_bytes(b"")
    (tree.root / "link").symlink_to("a")
    before = names(tree)
    with pytest.raises(Problem) as caught:
        {"move": move, "copy": copy}[deed](tree, path, tree, to)
    assert caught.value.status == 400
    assert names(tree) == before


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
@pytest.mark.parametrize("without", [(), ("ioctl",), ("ioctl", "copy_file_range")])
def test_each_means_of_copying(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, size: int, without: tuple[str, ...]
) -> None:
    def lacking(*_: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "not here")

    if "ioctl" in without:
        monkeypatch.setattr(copying.fcntl, "ioctl", lacking)
    if "copy_file_range" in without:
        monkeypatch.setattr(os, "copy_file_range", lacking)
    data = os.urandom(size)
    (tree.root / "a").write_bytes(data)
    told: list[int] = []
    assert copy_file(tree, "a", tree, "b", told.append) == size == sum(told)
    assert (tree.root / "b").read_bytes() == data


def test_files_that_tell_no_size(tree: Tree) -> None:
    with NewFile(tree, "a") as new, Path("/proc/version").open("rb") as source:
        copy_contents(source.fileno(), new.descriptor)
        new.keep()
    assert (tree.root / "a").read_bytes() == Path("/proc/version").read_bytes()


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_appears_whole_or_not_at_all(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:  # as on file systems that know only files with names
        monkeypatch.delattr(os, "O_TMPFILE")
    (tree.root / "a").write_bytes(b"old")
    with NewFile(tree, "a", 0o600) as new:
        new.write(b"half")
    assert (tree.root / "a").read_bytes() == b"old"
    with NewFile(tree, "a", 0o600) as new:
        new.write(b"whole")
        assert (tree.root / "a").read_bytes() == b"old"
        new.keep()
    assert (tree.root / "a").read_bytes() == b"whole"
    assert (tree.root / "a").stat().st_mode & 0o777 == 0o600
    assert names(tree) == ["a"]


KILLED = """
import sys
from pathlib import Path
from tests.service.files.conftest import TENANT, made
from weft.service.files.transfers import Element
parts = made(Path(sys.argv[1]))
if len(sys.argv) > 2:
    parts.add_system("one")
    parts.transfers.start("ann", TENANT, [Element("tapis://one/src", "tapis://one/dst")])
else:
    parts.transfers.start_up()
print("begun", flush=True)
while parts.transfers.tasks.unended():
    pass
parts.transfers.stop()
print("ended", flush=True)
"""


def test_a_transfer_survives_the_death_of_the_service(tmp_path: Path) -> None:
    """SIGKILL at moments spread over the copying; in the end all is there, once and whole."""
    source = tmp_path / "one/src"
    source.mkdir(parents=True)
    for number in range(600):
        (source / str(number)).write_bytes(b"x" * number)
    kills = count(2, 10)
    for attempt in range(kills + 1):
        first = ["first"] if attempt == 0 else []
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), *first],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        if attempt < kills:
            time.sleep(0.02 * (attempt + 1))
            child.kill()
        child.stdout.read()
        child.stdout.close()
        code = child.wait(60)
    assert code == 0
    copied = {place.name: place.stat().st_size for place in (tmp_path / "one/dst").iterdir()}
    assert {name: size for name, size in copied.items() if not name.endswith(".part")} == {
        str(number): number for number in range(600)
    }
