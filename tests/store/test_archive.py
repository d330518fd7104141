from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.facts import Facts

from weft.core import events as ev
from weft.errors import FolderError, NoStudyHere, UsageError
from weft.model import Kind, Outcome
from weft.node.runner import OutputZip
from weft.store import archive
from weft.store.folder import StudyFolder

TEXT = b"0.1 0.2 0.3\n" * 400


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "study", "frame")


def keep(folder: StudyFolder, job: str, *chunks: Mapping[str, bytes]) -> list[Path]:
    """The output ZIPs of a job, one for each mapping of names to contents."""
    folder.job(job).mkdir(parents=True, exist_ok=True)
    paths = []
    for number, chunk in enumerate(chunks):
        paths.append(folder.job(job) / f"out-{number:03}.zip")
        with zipfile.ZipFile(paths[-1], "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in chunk.items():
                made.writestr(name, content)
    return paths


def one_run(folder: StudyFolder, **fields: object) -> tuple[str, str]:
    """A case that ran once; its id and its job."""
    facts = Facts()
    job = facts.run(facts.ids[0], **fields)
    facts.write(folder.journal)
    return facts.ids[0], job


def read(paths: list[Path], to: Path) -> dict[str, bytes]:
    return {str(path.relative_to(to)): path.read_bytes() for path in paths}


def test_a_case_s_files_come_from_all_chunks(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder, kept=2)
    keep(folder, job, {f"{case}/a.out": TEXT, "other/a.out": b"no"}, {f"{case}/deep/b.out": b"b"})

    written = archive.fetch(folder, [case], tmp_path / "to")

    assert read(written, tmp_path / "to") == {f"{case}/a.out": TEXT, f"{case}/deep/b.out": b"b"}
    assert [member.path for member in archive.members(folder, [case])] == ["a.out", "deep/b.out"]


def test_the_job_whose_run_counts_is_read(folder: StudyFolder, tmp_path: Path) -> None:
    facts = Facts()
    case = facts.ids[0]
    first = facts.run(case)
    facts.revise("r2")
    second = facts.run(case, Outcome.FAILED)
    facts.write(folder.journal)
    keep(folder, first, {f"{case}/a.out": b"success"})
    keep(folder, second, {f"{case}/a.out": b"failure"})

    written = archive.fetch(folder, [case], tmp_path / "last")
    facts.add(ev.StudyRecorded, revision="r2", source="", kept=["r1"])
    facts.write(folder.journal)
    kept = archive.fetch(folder, [case], tmp_path / "kept")

    assert written[0].read_bytes() == b"failure"
    assert kept[0].read_bytes() == b"success"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], ["a.out", "deep/b.out", "stdout.txt"]),
        (["*.out"], ["a.out", "deep/b.out"]),
        (["deep/*"], ["deep/b.out"]),
        (["b.out", "stdout.txt"], ["deep/b.out", "stdout.txt"]),
    ],
)
def test_patterns_choose(
    folder: StudyFolder, tmp_path: Path, patterns: list[str], expected: list[str]
) -> None:
    case, job = one_run(folder)
    keep(folder, job, {f"{case}/{name}": b"" for name in ("a.out", "deep/b.out", "stdout.txt")})

    written = archive.fetch(folder, [case], tmp_path / "to", patterns)

    assert [str(path.relative_to(tmp_path / "to" / case)) for path in written] == expected


def test_a_pattern_that_fits_nothing_says_what_there_is(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder)
    keep(folder, job, {f"{case}/a.out": b""})
    with pytest.raises(UsageError) as caught:
        archive.fetch(folder, [case], tmp_path / "to", ["*.csv"])
    assert "a.out" in caught.value.hint


def test_a_file_that_is_there_is_left_alone(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder)
    keep(folder, job, {f"{case}/a.out": b"new", f"{case}/b.out": b"new"})
    mine = tmp_path / "to" / case / "b.out"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")

    with pytest.raises(UsageError, match="1 of 2 files are there"):
        archive.fetch(folder, [case], tmp_path / "to")
    assert sorted(path.name for path in mine.parent.iterdir()) == ["b.out"]
    assert mine.read_bytes() == b"mine"

    archive.fetch(folder, [case], tmp_path / "to", overwrite=True)
    assert mine.read_bytes() == b"new"


def test_overwriting_a_link_replaces_the_link_and_not_what_it_points_to(
    folder: StudyFolder, tmp_path: Path
) -> None:
    case, job = one_run(folder)
    keep(folder, job, {f"{case}/a.out": b"new"})
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    target = tmp_path / "to" / case / "a.out"
    target.parent.mkdir(parents=True)
    target.symlink_to(outside)

    archive.fetch(folder, [case], tmp_path / "to", overwrite=True)

    assert outside.read_bytes() == b"mine"
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()


@pytest.mark.parametrize("name", ["../evil", "../../evil", "/evil", "a/../../evil", "a//evil", "./evil"])
def test_nothing_leaves_the_folder(folder: StudyFolder, tmp_path: Path, name: str) -> None:
    case, job = one_run(folder)
    keep(folder, job, {f"{case}/{name}": b"evil", f"{case}/good": b"good"})

    with pytest.raises(FolderError, match="1 of 2 files are damaged"):
        archive.fetch(folder, [case], tmp_path / "to")

    assert not list(tmp_path.rglob("evil"))
    assert (tmp_path / "to" / case / "good").read_bytes() == b"good"


def test_a_link_in_the_target_is_not_followed_out(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder)
    keep(folder, job, {f"{case}/deep/er/a.out": b"x"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "to" / case).mkdir(parents=True)
    (tmp_path / "to" / case / "deep").symlink_to(outside)

    with pytest.raises(FolderError, match="left out"):
        archive.fetch(folder, [case], tmp_path / "to")

    assert not list(outside.iterdir())


def test_a_link_in_the_zip_becomes_a_plain_file(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder)
    path = keep(folder, job, {})[0]
    info = zipfile.ZipInfo(f"{case}/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(info, "/etc/passwd")

    written = archive.fetch(folder, [case], tmp_path / "to")

    assert not written[0].is_symlink()
    assert written[0].read_bytes() == b"/etc/passwd"


def test_a_damaged_file_is_left_out_and_named(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder)
    path = keep(folder, job, {f"{case}/a.out": os.urandom(2000), f"{case}/b.out": b"good"})[0]
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)

    with pytest.raises(FolderError, match=r"1 of 2 files are damaged.*a\.out"):
        archive.fetch(folder, [case], tmp_path / "to")

    assert [each.name for each in (tmp_path / "to" / case).iterdir()] == ["b.out"]


def test_a_zip_that_is_gone_is_told(folder: StudyFolder, tmp_path: Path) -> None:
    case, job = one_run(folder, kept=3)
    with pytest.raises(FolderError, match="are missing") as caught:
        archive.fetch(folder, [case], tmp_path / "to")
    assert job in caught.value.where
    assert caught.value.hint


def test_a_case_that_left_nothing_is_told(folder: StudyFolder, tmp_path: Path) -> None:
    case, _ = one_run(folder)
    with pytest.raises(UsageError, match="left nothing") as caught:
        archive.fetch(folder, [case], tmp_path / "to")
    assert "keep" in caught.value.hint


def test_a_case_that_has_not_run_is_told(folder: StudyFolder, tmp_path: Path) -> None:
    facts = Facts()
    facts.write(folder.journal)
    with pytest.raises(UsageError, match="not ended yet"):
        archive.fetch(folder, facts.ids[:1], tmp_path / "to")


def test_nothing_has_run(folder: StudyFolder, tmp_path: Path) -> None:
    with pytest.raises(NoStudyHere):
        archive.fetch(folder, ["a"], tmp_path / "to")


# Salvage


def runner_zip(folder: Path, contents: Mapping[str, bytes], *, finished: bool = True) -> Path:
    """A ZIP by the node's own writer."""
    folder.mkdir(parents=True, exist_ok=True)
    out = OutputZip(str(folder), 1 << 30)
    for name, content in contents.items():
        out.add(name, content, 1.7e9)
    if finished:
        out.close()
    return folder / "out-000.zip"


CONTENTS = {"c1/a.out": TEXT, "c1/ü.out": os.urandom(300), "c1/empty": b"", "c2/b.out": b"b"}


def content(path: Path) -> dict[str, bytes]:
    return {f"{each.case}/{each.path}": b"".join(archive.read(each)) for each in archive.entries(path)}


def test_a_zip_of_the_runner_is_read(tmp_path: Path) -> None:
    assert content(runner_zip(tmp_path, CONTENTS)) == CONTENTS


def test_a_zip_without_its_end_is_read(tmp_path: Path) -> None:
    assert content(runner_zip(tmp_path, CONTENTS, finished=False)) == CONTENTS


def test_a_zip_cut_anywhere_gives_its_whole_files(tmp_path: Path) -> None:
    data = runner_zip(tmp_path, CONTENTS, finished=False).read_bytes()
    starts = [each.header for each in archive.entries(tmp_path / "out-000.zip")]
    ends = [*starts[1:], len(data)]
    cut = tmp_path / "cut.zip"
    names = list(CONTENTS)
    for length in range(len(data) + 1):
        cut.write_bytes(data[:length])
        whole = sum(end <= length for end in ends)
        assert [f"{each.case}/{each.path}" for each in archive.entries(cut)] == names[:whole]
    assert content(cut) == CONTENTS


def test_a_zip_with_a_torn_end_of_contents_is_walked(tmp_path: Path) -> None:
    path = runner_zip(tmp_path, CONTENTS)
    path.write_bytes(path.read_bytes()[:-30])
    assert content(path) == CONTENTS


def test_a_large_file_that_was_being_written_is_no_file(tmp_path: Path) -> None:
    path = runner_zip(tmp_path, {"c1/a.out": TEXT}, finished=False)
    path.write_bytes(path.read_bytes() + bytes(4000))
    assert content(path) == {"c1/a.out": TEXT}


def test_sizes_in_the_zip64_field_are_read(tmp_path: Path) -> None:
    extra = struct.pack("<HHI", 0x5455, 4, 0) + struct.pack("<HHQQ", 1, 16, 3, 3)
    head = struct.pack(
        "<4sHHHHHIIIHH", b"PK\3\4", 45, 0x800, 0, 0, 0, 0x352441C2, 0xFFFFFFFF, 0xFFFFFFFF, 4, len(extra)
    )
    path = tmp_path / "out-000.zip"
    path.write_bytes(head + b"c1/x" + extra + b"abc")
    assert content(path) == {"c1/x": b"abc"}


def test_what_is_no_zip_has_no_files(tmp_path: Path) -> None:
    path = tmp_path / "out-000.zip"
    path.write_bytes(b"not a zip at all, but long enough for a header")
    assert content(path) == {}


def test_fetch_takes_what_can_be_salvaged(folder: StudyFolder, tmp_path: Path) -> None:
    facts = Facts()
    job = facts.plan(facts.ids)
    facts.ran(job, facts.ids[0], kept=1)
    facts.end(job, Outcome.LOST, in_flight=facts.ids[1:])
    facts.write(folder.journal)
    runner_zip(folder.job(job), {f"{facts.ids[0]}/a.out": TEXT}, finished=False)

    written = archive.fetch(folder, facts.ids, tmp_path / "to")

    assert read(written, tmp_path / "to") == {f"{facts.ids[0]}/a.out": TEXT}


def test_a_large_file_never_lies_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = runner_zip(tmp_path, {"c1/zeros": bytes(5 * archive.PIECE)})
    pieces = [len(piece) for piece in archive.read(next(archive.entries(path)))]
    assert max(pieces) <= archive.PIECE
    assert sum(pieces) == 5 * archive.PIECE


# Steps


def test_a_step_s_files_replace_those_of_before_without_its_logs(folder: StudyFolder) -> None:
    facts = Facts()
    job = facts.plan(["before"], kind=Kind.BEFORE)
    facts.write(folder.journal)
    keep(folder, job, {"before/mesh/a.txt": b"a", "before/stdout.txt": b"log"})
    folder.before.mkdir(parents=True)
    (folder.before / "old").write_bytes(b"old")

    written = archive.unpack_job(folder, job, folder.before)

    assert read(written, folder.before) == {"mesh/a.txt": b"a"}
    assert not (folder.before / "old").exists()
    assert [path.name for path in folder.root.glob(".*")] == []


def test_a_step_s_damaged_files_leave_what_was_there(folder: StudyFolder) -> None:
    path = keep(folder, "job", {"before/a": os.urandom(900)})[0]
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)
    folder.before.mkdir(parents=True)
    (folder.before / "old").write_bytes(b"old")

    with pytest.raises(FolderError, match="damaged"):
        archive.unpack_job(folder, "job", folder.before)

    assert [each.name for each in folder.before.iterdir()] == ["old"]


def test_files_that_are_missing_or_damaged_make_a_job_s_short(folder: StudyFolder) -> None:
    assert not archive.is_short(folder, "job", 0)
    assert archive.is_short(folder, "job", 1), "there is no ZIP"
    path = keep(folder, "job", {"before/a": os.urandom(900), "before/stdout.txt": b"log"})[0]
    assert [archive.is_short(folder, "job", files) for files in (1, 2, 3)] == [False, False, True]
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)
    assert [archive.is_short(folder, "job", files) for files in (1, 2)] == [False, True]


def test_fetching_a_step_leaves_the_rest_of_the_folder_alone(folder: StudyFolder, tmp_path: Path) -> None:
    facts = Facts()
    job = facts.plan(["before"], kind=Kind.BEFORE)
    facts.ran(job, "before", kept=2)
    facts.end(job)
    facts.write(folder.journal)
    keep(folder, job, {"before/mesh/a.txt": b"new", "before/b.out": b"b"})
    mine = tmp_path / "before" / "mesh" / "a.txt"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    (tmp_path / "before" / "notes").write_bytes(b"notes")

    with pytest.raises(UsageError, match="1 of 1 files are there"):
        archive.fetch(folder, ["before"], tmp_path, ["*.txt"])
    assert mine.read_bytes() == b"mine"

    written = archive.fetch(folder, ["before"], tmp_path, ["*.txt"], overwrite=True)
    assert read(written, tmp_path) == {"before/mesh/a.txt": b"new"}
    assert sorted(path.name for path in (tmp_path / "before").iterdir()) == ["mesh", "notes"]


def test_a_step_that_has_not_run_is_told(folder: StudyFolder, tmp_path: Path) -> None:
    Facts().write(folder.journal)
    with pytest.raises(UsageError, match="the step before has nothing archived: it has not ended yet"):
        archive.fetch(folder, ["before"], tmp_path)


# Going on


def test_a_case_goes_on_from_all_that_it_left_or_not_at_all(folder: StudyFolder) -> None:
    case, job = one_run(folder, outcome=Outcome.INTERRUPTED, carried=2)
    left = {f"carry/{case}/mesh": TEXT, f"carry/{case}/deep/state": b"7", "carry/other/state": b"8"}
    keep(folder, job, left)
    found = archive.carried(folder, job, {case: 2})
    assert [(each.case, each.path) for each in found] == [(case, "mesh"), (case, "deep/state")]
    data = runner_zip(folder.job(job), left, finished=False).read_bytes()
    (folder.job(job) / "out-000.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(FolderError, match="not whole") as caught:
        list(archive.carried(folder, job, {case: 2}))
    assert "weft cancel " in caught.value.hint
