"""The output ZIPs of a study's jobs, read back as one archive: what a case left, wherever it lies.

A member is called ``<case id>/<path>`` and belongs to the job that ran the case; only the job whose run of
the case counts is looked at (``core/runs.py``), over all its ZIPs. A ZIP without a table of contents (its
runner was killed, or is still at work) is walked from entry to entry, up to the first that is torn. Every
file is checked against its CRC as it is read, and appears under its name only when it is whole. What lies in
a ZIP is not trusted: nothing is ever written outside the folder that was asked for, and no links are made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, NamedTuple

from weft.core.books import STEPS
from weft.core.runs import Run, Runs
from weft.errors import FolderError, UsageError, WeftError
from weft.store.folder import StudyFolder, disk_problem
from weft.store.results import gather

PIECE = 1 << 20
"""Bytes of a file that are in memory at a time."""

LOGS = ("stdout.txt", "stderr.txt")
"""What the runner archives of a case besides the files that it kept."""


class Member(NamedTuple):
    """One archived file of a case."""

    case: str
    path: str
    """Relative to the case's directory."""
    size: int
    archive: Path
    header: int
    """Offset of its local header in the archive."""
    packed: int
    method: int
    crc: int
    written: tuple[int, int, int, int, int, int] = (1980, 1, 1, 0, 0, 0)
    """When the case wrote it: year, month, day, hour, minute, second, as ZIP has them."""


class Torn(Exception):
    """This entry of a ZIP is not whole."""


# What is there


def members(folder: StudyFolder, case_ids: Sequence[str]) -> list[Member]:
    """Every archived file of these cases, in their order, from the runs that count.

    Raises:
        NoStudyHere, FolderError: as ``results.gather`` does.
        FolderError: an output ZIP that should be there is missing, or one cannot be read.
    """
    return list(_members(folder, case_ids, gather(folder.journal)))


def _members(folder: StudyFolder, case_ids: Sequence[str], runs: Runs) -> Iterator[Member]:
    deciding = {case_id: runs.deciding(case_id) for case_id in case_ids}
    wanted: dict[str, set[str]] = {}
    for case_id, run in deciding.items():
        if run is not None:
            wanted.setdefault(run.job, set()).add(case_id)
    found: dict[str, list[Member]] = {}
    for job, ids in wanted.items():
        for path in folder.zips(job):
            for member in entries(path):
                if member.case in ids:
                    found.setdefault(member.case, []).append(member)
    for case_id, run in deciding.items():
        if case_id not in found and run is not None and run.kept:
            raise _lost(folder, case_id, run)
        yield from sorted(found.get(case_id, ()), key=lambda member: member.path)


def _lost(folder: StudyFolder, case_id: str, run: Run) -> FolderError:
    there = folder.zips(run.job)
    what = (
        f"{_called(case_id)} left {run.kept} files, which its job's output ZIPs do not have"
        if there
        else f"the output ZIPs of job {run.job} are missing, with the {run.kept} files of {_called(case_id)}"
    )
    hint = (
        f"bring them back to this folder if you moved them; else `weft retry {case_id}` runs the case again"
    )
    return FolderError(what, where=str(folder.job(run.job)), hint=hint)


def entries(path: Path) -> Iterator[Member]:
    """The files in one ZIP, also in one that was never finished; FolderError if the disk does not give it."""
    try:
        with path.open("rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    listed = archive.infolist()
            except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, ValueError):
                yield from _walk(file, path)
                return
    except OSError as error:
        raise disk_problem(error, path) from error
    for info in listed:
        if not info.is_dir():
            yield _member(
                info.filename,
                path,
                header=info.header_offset,
                sizes=(info.file_size, info.compress_size),
                method=info.compress_type,
                crc=info.CRC,
                written=info.date_time,
            )


def _member(
    name: str,
    archive: Path,
    *,
    header: int,
    sizes: tuple[int, int],
    method: int,
    crc: int,
    written: tuple[int, int, int, int, int, int],
) -> Member:
    case, _, path = name.partition("/")
    return Member(case, path, sizes[0], archive, header, sizes[1], method, crc, written)


# APPNOTE 6.3.9, 4.3.7: signature, version, flags, method, time, date, CRC, packed size, size, two lengths
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_SIGNATURE = b"PK\x03\x04"
_SIZE_FOLLOWS = 0x08  # flag: the sizes come after the data; our runner never does that
_UTF8 = 0x800
_ZIP64 = 0xFFFFFFFF


def _walk(file: BinaryIO, path: Path) -> Iterator[Member]:
    """Salvage: the whole entries at the start of a ZIP, by their local headers."""
    end = file.seek(0, os.SEEK_END)
    at = 0
    while True:
        with contextlib.suppress(Torn):
            member, after = _local_entry(file, path, at)
            if after <= end:
                yield member
                at = after
                continue
        return


def _local_entry(file: BinaryIO, path: Path, at: int) -> tuple[Member, int]:
    """The entry whose local header is at this offset, and the offset behind its data; or Torn."""
    _, flags, method, moment, crc, packed, size, name, extra = _local_header(file, at)
    if flags & _SIZE_FOLLOWS:
        raise Torn
    if _ZIP64 in (packed, size):
        size, packed = _zip64_sizes(extra)
    text = name.decode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
    member = _member(
        text, path, header=at, sizes=(size, packed), method=method, crc=crc, written=_moment(*moment)
    )
    return member, at + _LOCAL.size + len(name) + len(extra) + packed


def _moment(time: int, date: int) -> tuple[int, int, int, int, int, int]:
    """A time of MS-DOS (4.4.6), whose years begin with 1980 and whose seconds are even."""
    return (
        1980 + (date >> 9),
        max(1, date >> 5 & 15),
        max(1, date & 31),
        min(23, time >> 11),
        min(59, time >> 5 & 63),
        min(58, 2 * (time & 31)),
    )


def _local_header(
    file: BinaryIO, at: int
) -> tuple[int, int, int, tuple[int, int], int, int, int, bytes, bytes]:
    """The offset of the data, then flags, method, time and date, CRC, packed size, size, name and extra field."""
    file.seek(at)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(_SIGNATURE):
        raise Torn
    _, _, flags, method, time, date, crc, packed, size, name_length, extra_length = _LOCAL.unpack(head)
    rest = file.read(name_length + extra_length)
    if len(rest) < name_length + extra_length:
        raise Torn
    data = at + len(head) + len(rest)
    return data, flags, method, (time, date), crc, packed, size, rest[:name_length], rest[name_length:]


def _zip64_sizes(extra: bytes) -> tuple[int, int]:
    """Size and packed size from the ZIP64 field (4.5.3), which has both in a local header."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == 1 and length >= 16 and len(extra) >= 20:
            size, packed = struct.unpack_from("<QQ", extra, 4)
            return size, packed
        extra = extra[4 + length :]
    raise Torn


# Getting it out


def read(member: Member) -> Iterator[bytes]:
    """A member's content in pieces; Torn, at the end at last, if it is not what was archived."""
    with member.archive.open("rb") as file:
        data, *_ = _local_header(file, member.header)
        file.seek(data)
        crc = size = 0
        for piece in _unpacked(file, member):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if size > member.size:
                break
            yield piece
    if (crc, size) != (member.crc, member.size):
        raise Torn


def _unpacked(file: BinaryIO, member: Member) -> Iterator[bytes]:
    if member.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Torn
    inflater = zlib.decompressobj(-15) if member.method else None
    left = member.packed
    while left and (piece := file.read(min(left, PIECE))):
        left -= len(piece)
        if inflater is None:
            yield piece
            continue
        try:
            while piece:
                yield inflater.decompress(piece, PIECE)
                piece = inflater.unconsumed_tail
        except zlib.error as error:
            raise Torn from error
    if inflater is not None:
        yield inflater.flush()


def fetch(
    folder: StudyFolder,
    case_ids: Sequence[str],
    to: Path,
    patterns: Sequence[str] = (),
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write the archived files of these cases to ``to/<case id>/<path>``; return where each is now.

    A step goes by its name, "before" or "after", as a case does by its id.

    ``patterns`` (shell-like, of the path in the case's directory or of its last part) choose among them; none
    means all. Works while jobs run, for the cases that have ended. A file that is there already is left
    alone, and nothing is written then, unless ``overwrite``.

    Raises:
        UsageError: nothing fits, or files are in the way.
        FolderError: a ZIP is missing or cannot be read, the disk does not allow it, or files in a ZIP are
            damaged; the whole ones have been written then.
    """
    runs = gather(folder.journal)
    found = list(_members(folder, case_ids, runs))
    chosen = [member for member in found if _fits(member.path, patterns)]
    if not chosen:
        raise _nothing(case_ids, found, patterns, runs)
    targets = _targets(chosen, to)
    in_the_way = [target for _, target in targets if os.path.lexists(target)]
    if in_the_way and not overwrite:
        what = f"{len(in_the_way)} of {len(targets)} files are there already, such as {in_the_way[0]}"
        raise UsageError(what, hint="give an empty folder, or --overwrite to replace them")
    return _extract(targets, to)


CARRIED = "carry"
"""The folder in an output ZIP of what cases go on from: ``carry/<case id>/<path>``."""


def uncarried(folder: StudyFolder, job: str, wanted: Mapping[str, int]) -> list[str]:
    """The cases of which not all (so many files each) that they are to go on from can be read from a job's ZIPs."""
    left = dict(wanted)
    with contextlib.suppress(FolderError):
        for path in folder.zips(job):
            for member in entries(path):
                case = member.path.partition("/")[0]
                if member.case == CARRIED and case in left and _is_whole(member):
                    left[case] -= 1
    return [case for case, files in left.items() if files > 0]


def is_short(folder: StudyFolder, job: str, files: int) -> bool:
    """Can fewer files than so many be read from a job's ZIPs?"""
    found = 0
    with contextlib.suppress(FolderError):
        found = sum(_is_whole(member) for path in folder.zips(job) for member in entries(path))
    return found < files


def _is_whole(member: Member) -> bool:
    try:
        for _ in read(member):
            pass
    except (Torn, OSError):
        return False
    return True


def carried(folder: StudyFolder, job: str, wanted: Mapping[str, int]) -> Iterator[Member]:
    """What these cases left in this job to go on from, so many files each, with their paths in the case's directory.

    Raises:
        FolderError: not all that a case left can be found; it must not go on from a part of it.
    """
    left = dict(wanted)
    for path in folder.zips(job):
        for member in entries(path):
            case, _, rest = member.path.partition("/")
            if member.case == CARRIED and case in left:
                left[case] -= 1
                yield member._replace(case=case, path=rest)
    missing = [case for case, files in left.items() if files > 0]
    if missing:
        raise not_carried(folder, job, min(missing))


def not_carried(folder: StudyFolder, job: str, case: str) -> FolderError:
    """What is told where a case cannot go on from what it left in a job."""
    return FolderError(
        f"what {_called(case)} was to go on from is not, or not whole, in the output ZIPs of job {job}",
        where=str(folder.job(job)),
        hint=f"bring them back if you moved them; else `weft cancel {case}` gives the case up",
    )


def unpack_job(folder: StudyFolder, job: str, to: Path) -> list[Path]:
    """Write what a step's job left, less its logs, to ``to/<path>``, in place of the whole folder ``to``.

    For folders of weft's own only: all that was there goes.

    Raises:
        FolderError: as ``fetch`` does; what was there before then stays.
    """
    fresh = to.with_name(f".{to.name}.tmp")
    found = [member for path in folder.zips(job) for member in entries(path)]
    outputs = [member._replace(case="") for member in found if member.path not in LOGS]
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        written = _extract(_targets(outputs, fresh), fresh)
        shutil.rmtree(to, ignore_errors=True)
        fresh.replace(to)
    except OSError as error:
        raise disk_problem(error, to) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return [to / path.relative_to(fresh) for path in written]


def _fits(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return not patterns or any(fnmatchcase(path, each) or fnmatchcase(name, each) for each in patterns)


def _targets(chosen: Iterable[Member], to: Path) -> list[tuple[Member, Path]]:
    return [(member, to / member.case / member.path) for member in chosen]


def _extract(targets: Sequence[tuple[Member, Path]], to: Path) -> list[Path]:
    """Write all that is whole and stays within the folder; FolderError at the end if something was not."""
    written, bad = [], []
    for member, target in targets:
        try:
            if _is_confined(member) and _made_parent(target, to):
                _write(member, target)
                written.append(target)
            else:
                bad.append(member)
        except Torn:
            bad.append(member)
        except OSError as error:
            raise disk_problem(error, error.filename or target) from error
    if bad:
        raise _damaged(bad, len(targets), to)
    return written


def _is_confined(member: Member) -> bool:
    """Does its name stay within the folder it is put in?"""
    parts = [*([member.case] if member.case else []), *member.path.split("/")]
    return "\0" not in member.path and not any(part in ("", ".", "..") for part in parts)


def _made_parent(target: Path, to: Path) -> bool:
    """Create the folder of a file, unless a link that lies there would lead out of ``to``."""
    to.mkdir(parents=True, exist_ok=True)
    inside = to.resolve()
    nearest = target.parent
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.resolve().is_relative_to(inside):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    return True


def _write(member: Member, target: Path) -> None:
    """The member under its name, all at once; nothing at all if it is torn or cannot be written."""
    temporary = target.with_name(f".{target.name[:200]}.weft")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        with temporary.open("xb") as file:
            for piece in read(member):
                file.write(piece)
        temporary.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _nothing(
    case_ids: Sequence[str], found: Sequence[Member], patterns: Sequence[str], runs: Runs
) -> WeftError:
    if found:
        there = ", ".join(sorted({member.path for member in found})[:8])
        return UsageError(f"no archived file fits {' '.join(patterns)}", hint=f"there are: {there}")
    which = f"{_called(case_ids[0])} has" if len(case_ids) == 1 else f"these {len(case_ids)} cases have"
    if all(runs.last(case_id) is None for case_id in case_ids):
        return UsageError(f"{which} nothing archived: it has not ended yet", hint="see `weft status`")
    hint = "only stdout, stderr and what `keep` in [output] names are archived; add to it, then `weft run`"
    return UsageError(f"{which} nothing archived: the run left nothing of what is kept", hint=hint)


def _called(case_id: str) -> str:
    return f"the step {case_id}" if case_id in STEPS.values() else f"case {case_id}"


def _damaged(bad: Sequence[Member], count: int, to: Path) -> FolderError:
    names = ", ".join(f"{member.case}/{member.path}".lstrip("/") for member in bad[:5])
    return FolderError(
        f"{len(bad)} of {count} files are damaged and were left out: {names}",
        where=str(bad[0].archive),
        hint=f"the others are in {to}; `weft retry CASE` runs a failed case again",
    )
