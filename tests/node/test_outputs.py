"""What is kept: names, links, special files, chunks, and a ZIP that can be read without its end."""

import errno
import os
import resource
import zipfile
from pathlib import Path
from threading import Event

import pytest
from tests.node.bundles import Job, salvage

from weft.node.runner import CannotWrite, OutputZip, Records


def test_odd_names_links_and_special_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not yours")
    script = f"""
mkdir 'a dir' && echo 1 > 'a dir/b c.out' && echo 2 > 'ü"q.out' && printf 3 > 'new
line.out'
echo 4 > real.txt; ln -s real.txt in.out; ln -s {tmp_path}/secret out.out; ln -s nowhere dead.out
ln -s loop.out loop.out; ln -s . here; ln -s 'a dir' again.out
mkfifo pipe.out; : > empty.out; echo 5 > locked.out; chmod 000 locked.out
"""
    job = Job(tmp_path, script, keep=["**/*.out", "again.out"])
    assert job.run() == 0
    assert job.outputs() == {
        "c0/a dir/b c.out": b"1\n", 'c0/ü"q.out': b"2\n", "c0/new\nline.out": b"3", "c0/in.out": b"4\n",
        "c0/empty.out": b"", "c0/locked.out": b"5\n",
    }  # fmt: skip
    record = job.case()
    assert (record["outcome"], record["kept"]) == ("FINISHED", 6)
    assert "4 files not kept" in record["note"]
    assert all(name in record["note"] for name in ("out.out", "dead.out", "loop.out", "pipe.out"))


def test_directories_a_case_has_locked_are_kept_and_removed(tmp_path: Path) -> None:
    job = Job(tmp_path, "mkdir d && echo x > d/a && chmod 000 d", "chmod 000 .", keep=["d"])
    assert job.run() == 0
    assert job.outputs() == {"c0/d/a": b"x\n"}


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    job = Job(tmp_path, "echo x > \"$(printf 'a\\377.out')\"; printf 'b\\377' >&2; exit 1", keep=["*.out"])
    assert job.run() == 0
    assert list(job.outputs().values()) == [b"b\xff", b"x\n"]
    assert job.case()["tail"] == "b\ufffd"


def test_chunks_and_a_file_larger_than_a_chunk(tmp_path: Path) -> None:
    big = "head -c 20000000 /dev/urandom > big.out"
    job = Job(tmp_path, "head -c 5000 /dev/urandom > a.out", big, *["head -c 5000 /dev/urandom > a.out"] * 20,
              keep=["*.out"], chunk_bytes=30_000, slots=1)  # fmt: skip
    assert job.run() == 0
    outputs = job.outputs()
    assert len(outputs) == 22
    assert len(outputs["c1/big.out"]) == 20_000_000
    sizes = [size for _, size in job.end()["zips"]]
    assert [size for size in sizes if size > 30_000] == [max(sizes)]
    assert sorted(job.folder.glob("out-*.zip")) == [job.folder / name for name, _ in job.end()["zips"]]
    assert [(job.folder / name).stat().st_size for name, _ in job.end()["zips"]] == sizes


def test_an_unfinished_zip_can_be_salvaged_and_a_finished_one_read_both_ways(tmp_path: Path) -> None:
    output = OutputZip(str(tmp_path), 10**9)
    text = tmp_path / "text"
    text.write_bytes(b"0.1 0.2\n" * 3_000_000)  # larger than what is compressed at once
    output.add("a", b"x" * 1000, 0.0)
    output.add_file("c/text", str(text))
    output.add("c/é", b"", 4e11)
    path = tmp_path / "out-000.zip"
    expected = {"a": b"x" * 1000, "c/text": text.read_bytes(), "c/é": b""}
    assert salvage(path) == expected
    output.close()
    assert salvage(path) == expected
    assert output.sizes() == [("out-000.zip", path.stat().st_size)]
    assert path.stat().st_size < 200_000


def test_an_entry_that_could_not_be_written_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = OutputZip(str(tmp_path), 10**9)
    output.add("a", b"x" * 1000, 1e9)
    real = os.write
    with monkeypatch.context() as full_disk:

        def half(fd: int, data: bytes) -> int:
            if len(data) < 40:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(fd, data[: len(data) // 2])

        full_disk.setattr(os, "write", half)
        with pytest.raises(CannotWrite, match=r"out-000.zip: No space left"):
            output.add("lost", os.urandom(5000), 1e9)
    output.add("b", b"y", 1e9)
    output.close()
    assert salvage(tmp_path / "out-000.zip") == {"a": b"x" * 1000, "b": b"y"}
    with zipfile.ZipFile(tmp_path / "out-000.zip") as z:
        assert (z.namelist(), z.testzip()) == (["a", "b"], None)
    assert output.sizes() == [("out-000.zip", (tmp_path / "out-000.zip").stat().st_size)]


def test_a_sync_that_failed_is_told_by_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where writes are delayed (NFS, quotas), a full disk is told by a sync, and only once.
    records = Records(str(tmp_path / "results.jsonl"))
    records.write({"t": "a"})
    with monkeypatch.context() as full_disk:
        failed = Event()

        def fail(fd: int) -> None:
            failed.set()
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

        full_disk.setattr(os, "fsync", fail)
        assert failed.wait(30)
        records.closed.set()
        records.thread.join()
    with pytest.raises(CannotWrite, match="Disk quota exceeded"):
        records.write({"t": "b"})
    with pytest.raises(CannotWrite, match="Disk quota exceeded"):
        records.use_reserve()
    records.write({"t": "end"})  # all the same
    records.close()
    assert (tmp_path / "results.jsonl").read_text() == '{"v": 1, "t": "a"}\n{"v": 1, "t": "end"}\n'


def test_more_members_than_a_plain_zip_can_count(tmp_path: Path) -> None:
    output = OutputZip(str(tmp_path), 10**9)
    for number in range(66_000):
        output.add(f"{number}", b"", 1e9)
    output.close()
    with zipfile.ZipFile(tmp_path / "out-000.zip") as z:
        assert len(z.infolist()) == 66_000
        assert z.infolist()[-1].date_time[0] == 2001


def test_a_sparse_zip_beyond_four_gigabytes_has_its_64_bit_fields(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and limit <= 5 << 30:
        pytest.skip(f"no file may be larger than {limit} bytes here (ulimit -f)")
    output = OutputZip(str(tmp_path), 10**12)
    output.add("first", b"1", 1e9)
    os.lseek(output.fd, 5 << 30, os.SEEK_SET)  # pretend that 5 GB lie between
    output.offset = 5 << 30
    output.add("far", b"2", 1e9)
    output.close()
    with zipfile.ZipFile(tmp_path / "out-000.zip") as z:
        assert (z.read("first"), z.read("far")) == (b"1", b"2")
    (tmp_path / "out-000.zip").unlink()
