"""The journal on disk: whole lines or none, torn tails cut, damage told with its line, a full disk survived."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.core.facts import EVERY, submitted

from weft.core import events as ev
from weft.core.events import encode
from weft.errors import FolderError
from weft.store import journal
from weft.store.journal import Journal, opening, read, replay

FACTS = [
    opening("s", "k", "0.1", 1.0),
    ev.StudyRecorded(at=1.0, revision="r", source=""),
    ev.CasesAdded(at=1.0, ids=["a"], params=[EVERY[2].params[0]]),  # type: ignore[union-attr]
    *submitted("j", "a"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write(path: Path, *events: ev.AnyEvent) -> None:
    book = Journal(path)
    book.append(events, sync=True)
    book.close()


def kinds(path: Path) -> list[str]:
    return [type(event).__name__ for event in read(path)]


def test_what_is_appended_is_read_back_in_order(path: Path) -> None:
    write(path, *FACTS[:2])
    write(path, *FACTS[2:])
    assert kinds(path) == [type(fact).__name__ for fact in FACTS]
    assert replay(path).live.keys() == {"j"}


def test_who_asks_for_it_waits_for_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path.stat().st_size))
    book = Journal(path)
    book.append(FACTS[:2])
    assert synced == []
    book.append(FACTS[2:], sync=True)
    book.close()
    assert synced == [path.stat().st_size], "after the write"


def test_a_journal_that_is_not_there_gives_an_empty_state(path: Path) -> None:
    assert replay(path).key == ""
    assert not path.exists()


def test_a_torn_tail_is_not_read_and_cut_off_by_the_next_writer(path: Path) -> None:
    write(path, *FACTS)
    whole_size = path.stat().st_size
    tail = encode([ev.JobUnseen(at=2.0, job="j")])
    for cut in range(1, len(tail)):
        with path.open("ab") as file:
            file.write(tail[:cut])
        assert len(kinds(path)) == len(FACTS)
        assert replay(path).live["j"].unseen == 0
        book = Journal(path)
        assert path.stat().st_size == book.size == whole_size
        book.close()


def test_a_first_line_that_was_torn_leaves_nothing(path: Path) -> None:
    path.write_bytes(encode([FACTS[0]])[:-5])
    assert kinds(path) == []
    write(path, *FACTS)
    assert len(kinds(path)) == len(FACTS)


def test_a_very_long_torn_tail_is_cut_off(path: Path) -> None:
    write(path, *FACTS)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"x" * 200_000)
    Journal(path).close()
    assert path.stat().st_size == size


def test_lines_longer_than_a_piece_are_read(path: Path) -> None:
    long = ev.StudyRecorded(at=1.0, revision="r", source="x" * 3_000_000)
    write(path, FACTS[0], long, *FACTS[1:])
    assert kinds(path)[1:3] == ["StudyRecorded", "StudyRecorded"]
    assert replay(path).revision == "r"


@pytest.mark.parametrize(
    "damage", [b"garbage", b"\0" * 30, b'{"event":"JobUnseen","at":1,"job":"\xff"}', b'{"event":"?"}']
)
@pytest.mark.parametrize("number", [2, 4])
def test_a_damaged_line_is_named(path: Path, damage: bytes, number: int) -> None:
    lines = [encode([fact]) for fact in FACTS]
    lines.insert(number - 1, damage + b"\n")
    path.write_bytes(b"".join(lines))
    for reading in (lambda: list(read(path)), lambda: replay(path)):
        with pytest.raises(FolderError, match="the journal is damaged") as caught:
            reading()
        assert caught.value.where == f"{path}:{number}"
        assert "keep a copy" in caught.value.hint


def test_a_damaged_first_line_is_named(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\n" + encode([FACTS[0]]))
    with pytest.raises(FolderError) as caught:
        replay(path)
    assert caught.value.where == f"{path}:1"


def test_a_fact_that_cannot_follow_is_named(path: Path) -> None:
    path.write_bytes(encode([*FACTS, FACTS[3]]))
    with pytest.raises(FolderError, match="job j is planned already") as caught:
        replay(path)
    assert caught.value.where == f"{path}:{len(FACTS) + 1}"


def test_a_journal_of_a_later_weft_is_left_alone(path: Path) -> None:
    path.write_bytes(
        b'{"event":"Opened","at":1,"format":99,"name":"s","key":"k","weft":"9.9"}\n{"event":"Moon"}\n'
    )
    for reading in (lambda: list(read(path)), lambda: replay(path)):
        with pytest.raises(FolderError, match=r"newer weft \(9.9, format 99") as caught:
            reading()
        assert "upgrade" in caught.value.hint


def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(FolderError) as caught:
        Journal(tmp_path / "journal.jsonl")
    assert caught.value.where.endswith("journal.jsonl")
    assert caught.value.hint


FILLING = """
import resource, signal, sys
from pathlib import Path
from weft.core import events as ev
from weft.errors import FolderError
from weft.store.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
book, written = Journal(Path(sys.argv[1])), 0
try:
    while True:
        book.append([ev.JobUnseen(at=1.0, job="j"), ev.JobUnseen(at=2.0, job="j")], sync=True)
        written += 2
except FolderError as error:
    print(written, book.size)
    print(error)
"""


@pytest.mark.parametrize("room", [0, 1, 37, 1000])
def test_a_disk_that_fills_up_tears_no_line(path: Path, room: int) -> None:
    write(path, *FACTS)
    limit = path.stat().st_size + room
    done = subprocess.run(
        [sys.executable, "-c", FILLING, str(path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(journal.__file__).parents[2])},
    )
    counts, *told = done.stdout.splitlines()
    written, size = map(int, counts.split())
    assert path.stat().st_size == size
    assert replay(path).live["j"].unseen == written
    assert "hint:" in told[-1]
    write(path, ev.JobUnseen(at=3.0, job="j"))
    assert replay(path).live["j"].unseen == written + 1


def test_replay_leaves_the_garbage_collector_as_it_was(path: Path) -> None:
    import gc

    write(path, *FACTS)
    replay(path)
    assert gc.isenabled()
    path.write_bytes(b"garbage\n")
    with pytest.raises(FolderError):
        replay(path)
    assert gc.isenabled()
