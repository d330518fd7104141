"""What jobs leave: their records, while they run and after, and their output ZIPs."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from weft.backends.tapis.jobs import Jobs, job_name
from weft.backends.tapis.place import Place
from weft.backends.tapis.signs import PIECE, RECORDS
from weft.backends.tapis.together import together
from weft.core.records import Record, parse
from weft.errors import BackendError
from weft.store.folder import StudyFolder
from weft.tapis import lifecycle
from weft.tapis.files import Damaged
from weft.tapis.paths import Address
from weft.tapis.session import Rejected

TRANSFERS = 3
"""Downloads at once: what sites ask of their users."""
ZIPS, ZIP_NAME = "out-*.zip", re.compile(r"out-[A-Za-z0-9-]+\.zip")
"""What the runner calls its outputs: as a pattern of what to archive, and exactly."""


class Leavings:
    """Finds what jobs leave, wherever it is: in the archive, where they ran, or on a path that is mounted here."""

    def __init__(self, folder: StudyFolder, place: Callable[[], Place], jobs: Jobs) -> None:
        self._folder = folder
        self._place = place
        self._jobs = jobs
        self._kept: dict[str, int] = {}
        """Files that the records of a job speak of."""

    # Records

    def records(self, job: str, native: str, offset: int) -> tuple[list[Record], int]:
        """The whole records of a job from a byte on, and the byte to go on from."""
        records, taken = parse(self._records(job, native, offset) or b"")
        if offset == 0:
            self._kept[job] = sum(record.kept + record.carried for record in records)
        return records, offset + taken

    def tells_the_end(self, job: str) -> bool:
        """Do archived records of a job tell of its end?"""
        data = None
        place = self._place()
        with contextlib.suppress(Rejected):
            data = self._read(place.within(place.archive(job)) / RECORDS, 0)
        return any(record.t == "end" for record in parse(data or b"")[0])

    def _records(self, job: str, native: str, offset: int) -> bytes | None:
        """The records from a byte on; None where there are none yet."""
        found: bytes | None = None
        refused: Rejected | None = None
        for folder in chain(self.folders(job, native), self._folders_of_twins(job, native)):
            try:
                data = self._read(folder / RECORDS, offset)
            except Rejected as refusal:
                refused = refusal
                continue
            if data is not None and (found is None or len(data) > len(found)):
                found = data
            if found is not None and (offset or any(one.t == "end" for one in parse(found)[0])):
                return found
        if found is None and refused is not None:  # what may not be read may be there all the same
            raise BackendError(f"the records of job {native} cannot be read: {refused.said}") from refused
        return found  # perhaps the longest of several copies, none of which is whole

    def _folders_of_twins(self, job: str, native: str) -> Iterator[Address]:
        """Where other jobs of the same name ran, once this one is over; BackendError while one of them may run.

        An answer that was lost for long may leave two jobs, and it is the other one that runs the cases.
        """
        if self._jobs.told(native).get("status") not in lifecycle.OVER:
            return
        for told in self._jobs.named([job_name(job)]):
            if told["uuid"] == native:
                continue
            if told.get("status") not in lifecycle.OVER:
                raise BackendError(f"job {told['uuid']} was submitted as {job}, too, and is not over")
            where = self._place().at_work(told)
            if where is not None:
                yield where

    def folders(self, job: str, native: str) -> list[Address]:
        """Where the job's folder may be, as it was or as it was archived: the likelier place first."""
        place, told = self._place(), self._jobs.told(native)
        found = [place.within(place.archive(job))] if told.get("status", "FAILED") in lifecycle.OVER else []
        where = place.at_work(told)  # also of a job that is over: what was cancelled is not archived
        return [*found, where] if where else found

    def _read(self, where: Address, offset: int) -> bytes | None:
        pieces: list[bytes] = []
        while True:
            piece = self._place().files.read(where.system, where.path, offset, PIECE)
            if piece is None:
                return b"".join(pieces) if pieces else None
            pieces.append(piece)
            offset += len(piece)
            if len(piece) < PIECE:
                return b"".join(pieces)

    # Outputs

    def bring(self, job: str, native: str) -> list[str]:
        """Bring the output ZIPs of a job that is over; what is wrong with them."""
        if not self._kept.get(job, 1):
            return []
        zips = self._zips(job, native)
        complaints = [
            text for text in together(lambda one: self._bring_one(job, *one), zips, TRANSFERS) if text
        ]
        if not zips and self._kept.get(job):
            where = self._place().archive(job)
            complaints.append(f"its results ZIP, with {self._kept[job]} files, is not at {where}")
        return complaints

    def _zips(self, job: str, native: str) -> list[tuple[Address, int]]:
        """The output ZIPs with their sizes; of a job that did not end well, whichever copy is more of each."""
        found: dict[str, tuple[Address, int]] = {}
        for folder in self.folders(job, native):
            with contextlib.suppress(Rejected):
                for entry in self._place().files.listing(folder.system, folder.path) or []:
                    known = found.get(entry.name)
                    if ZIP_NAME.fullmatch(entry.name) and (known is None or known[1] < entry.size):
                        found[entry.name] = (folder / entry.name, entry.size)
            if found and self._jobs.told(native).get("status") == "FINISHED":
                break
        return list(found.values())

    def _bring_one(self, job: str, where: Address, size: int) -> str:
        """Bring one ZIP, or refer to it where its place is mounted here; what is wrong with it, if anything."""
        to = self._folder.job(job) / where.name
        mounted = self._place().places.mounted(where)
        if mounted and _same_size(Path(mounted), size):
            to.parent.mkdir(parents=True, exist_ok=True)
            to.unlink(missing_ok=True)
            to.symlink_to(mounted)
        elif not _same_size(to, size):
            try:
                self._place().files.download(where.system, where.path, to, size=size)
            except (Rejected, Damaged) as problem:
                return f"{where} cannot be brought: {problem.what}"
        if not zipfile.is_zipfile(to):
            return f"{where.name} is cut off: what is whole in it can be fetched, the rest is lost"
        return ""


def _same_size(path: Path, size: int) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == size
    return False
