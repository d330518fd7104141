"""Where everything of a study lies on disk: every path, once.

``.weft/<name>/`` beside the study file holds the journal, the jobs and the results; it can be moved or archived as
one folder. Nothing outside this module builds such a path.
"""

from __future__ import annotations

from pathlib import Path

from weft.errors import FolderError, WeftError

ROOT = ".weft"


class StudyFolder:
    """The paths of one study; nothing is created before it is needed."""

    def __init__(self, base: Path | str, name: str) -> None:
        self.base = Path(base)
        self.root = self.base / ROOT / name
        self.journal = self.root / "journal.jsonl"
        self.lease = self.root / "lease.json"
        self.requests = self.root / "requests"
        self.jobs = self.root / "jobs"
        self.digests = self.root / "digests.json"
        self.csv = self.root / "results.csv"
        self.parquet = self.root / "results.parquet"
        self.before = self.root / "before"
        """What the step before left for the cases."""
        self.log = self.root / "controller.log"
        """What a detached controller printed."""

    def job(self, job_id: str) -> Path:
        return self.jobs / job_id

    def bundle(self, job_id: str) -> Path:
        return self.job(job_id) / "bundle.zip"

    def records(self, job_id: str) -> Path:
        return self.job(job_id) / "results.jsonl"

    def runner_pid(self, job_id: str) -> Path:
        return self.job(job_id) / "runner.pid"

    def runner_log(self, job_id: str) -> Path:
        return self.job(job_id) / "runner.log"

    def account(self, job_id: str) -> Path:
        """At which service, and as whom, the job was submitted."""
        return self.job(job_id) / "account.txt"

    def zips(self, job_id: str) -> list[Path]:
        """The output ZIPs of a job, in order."""
        return sorted(self.job(job_id).glob("out-*.zip"), key=lambda path: (len(path.name), path.name))

    @property
    def size(self) -> int:
        """Bytes of the journal; 0 before there is one."""
        return self.journal.stat().st_size if self.exists else 0

    @property
    def exists(self) -> bool:
        return self.journal.exists()

    def make(self) -> None:
        """Create the folder; git is told to leave it alone."""
        try:
            self.jobs.mkdir(parents=True, exist_ok=True)
            self.requests.mkdir(exist_ok=True)
            ignore = self.base / ROOT / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise disk_problem(error, self.root) from error


def disk_problem(error: OSError, path: Path | str) -> WeftError:
    """An operating system's complaint about a path, as weft's error with a hint that fits."""
    reasons = {
        28: (
            "the disk is full",
            "make room, then give the same command again: what was recorded stands",
        ),
        122: (
            "the disk quota is used up",
            "make room, then give the same command again: what was recorded stands",
        ),
        27: ("a file may not grow any further", "raise the file size limit (`ulimit -f`), then try again"),
        2: ("no such file or folder", "check the name; a folder must be there before files are put into it"),
        21: ("it is a folder", "name a file"),
        13: ("no permission", "make the folder writable for you, or move the study to one that is"),
        30: ("the file system is read-only", "move the study to a folder that can be written to"),
    }
    what, hint = reasons.get(error.errno or 0, (error.strerror or str(error), "mend this, then try again"))
    return FolderError(what, where=str(path), hint=hint)
