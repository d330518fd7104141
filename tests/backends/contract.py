"""What every backend must do, as tests: the page ``backends/base.py`` in another form.

A backend's own test file subclasses ``BackendContract`` and gives it a fixture ``place`` (a ``Place``).
"""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import weft.node
from weft.backends.base import Backend, Packed, Seen
from weft.core.records import Record
from weft.model import Bundle, Outcome, Phase
from weft.store.folder import StudyFolder

PATIENCE = 30.0
"""Seconds that a test waits at most for something that must happen."""


class Place:
    """A backend with a folder for its jobs; ``again`` makes another backend of the same place (after a crash)."""

    def __init__(self, folder: StudyFolder, again: Callable[[], Backend]) -> None:
        self.folder = folder
        self.again = again
        self.backend = again()

    def pack(self, job: str, *commands: str, slots: int = 2) -> Packed:
        """A job of shell commands as cases c0, c1, …"""
        where = self.folder.job(job)
        where.mkdir(parents=True)
        node = self.backend.node
        shutil.copyfile(Path(weft.node.__file__).with_name(node.runner), where / node.runner)
        cases = [
            {"id": f"c{n}", "command": command, "params": {"n": n}} for n, command in enumerate(commands)
        ]
        content = {
            "format": 1,
            "study": "contract",
            "job": job,
            "revision": "r",
            "setup": [],
            "env": {},
            "shared": [],
            "workdir": "job",
            "expect": [],
            "result": None,
            "keep": [],
            "chunk_bytes": 10**9,
            "log_bytes": 10**6,
            "finish": None,
            "cores": 1,
            "memory_mb": None,
            "minutes": None,
            "slots": slots,
            "deadline_s": None,
            "grace_s": 1.0,
            "params_file": False,
            "claim": f"{node.claims}/{job}" if node.claims else None,
            "cases": cases,
        }
        with zipfile.ZipFile(where / "bundle.zip", "w") as archive:
            archive.writestr("bundle.json", json.dumps(content))
        ids = tuple(case["id"] for case in cases)
        return Packed(job=job, folder=where, bundle=Bundle(cases=ids, slots=slots))

    def start(self, job: str, *commands: str, slots: int = 2) -> dict[str, str]:
        """Submit such a job; our id to the native one."""
        answer = self.backend.submit([self.pack(job, *commands, slots=slots)])
        native = answer[job]
        assert isinstance(native, str)
        return {job: native}

    def until(self, natives: dict[str, str], wanted: Callable[[Seen], bool]) -> Seen:
        """Look until the one job is as wanted."""
        (job,) = natives
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            seen = self.backend.look(natives).get(job)
            if seen is not None and wanted(seen):
                return seen
            time.sleep(0.02)
        raise AssertionError(f"{job} was last seen as {seen}")

    def over(self, natives: dict[str, str]) -> Seen:
        return self.until(natives, lambda seen: seen.outcome is not None)

    def records(self, natives: dict[str, str]) -> list[Record]:
        ((job, native),) = natives.items()
        return self.backend.collect(job, native, 0).records


def started(path: Path) -> None:
    """Wait until a case has made this file."""
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.02)


class BackendContract:
    """The tests; each gets a fresh ``place``."""

    def test_a_job_runs_and_tells_what_its_cases_did(self, place: Place) -> None:
        natives = place.start("j1", "true", "exit 3")
        assert place.over(natives).outcome is Outcome.FINISHED
        outcomes = {r.case: (r.outcome, r.exit) for r in place.records(natives) if r.t == "case"}
        assert outcomes == {"c0": ("FINISHED", 0), "c1": ("FAILED", 3)}

    def test_a_running_job_is_seen_and_its_records_come_before_it_ends(
        self, place: Place, tmp_path: Path
    ) -> None:
        natives = place.start("j1", "true", f"touch '{tmp_path}/up'; sleep 60", slots=1)
        started(tmp_path / "up")
        seen = place.until(natives, lambda seen: seen.phase is Phase.RUNNING)
        assert seen.outcome is None
        assert not seen.orphaned
        assert [r.case for r in place.records(natives) if r.t == "case"] == ["c0"]
        place.backend.cancel(natives)
        place.over(natives)

    def test_collect_goes_on_from_an_offset(self, place: Place) -> None:
        natives = place.start("j1", "true", "true", "true")
        place.over(natives)
        whole = place.backend.collect("j1", natives["j1"], 0)
        rest = place.backend.collect("j1", natives["j1"], whole.offset)
        assert rest.records == []
        assert rest.offset == whole.offset

    def test_find_knows_our_ids_while_they_run_and_after(self, place: Place, tmp_path: Path) -> None:
        natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
        started(tmp_path / "up")
        assert place.again().find(["j1", "nobody"]) == natives
        place.backend.cancel(natives)
        place.over(natives)
        assert set(place.again().find(["j1", "nobody"])) == {"j1"}

    def test_another_controller_takes_the_job_over(self, place: Place, tmp_path: Path) -> None:
        natives = place.start("j1", f"touch '{tmp_path}/up'; sleep 60")
        started(tmp_path / "up")
        place.backend = place.again()
        assert place.backend.look(natives)["j1"].outcome is None
        place.backend.cancel(natives)
        place.over(natives)

    def test_cancel_stops_everything_and_may_be_repeated(self, place: Place, tmp_path: Path) -> None:
        natives = place.start("j1", f"(touch '{tmp_path}/up'; sleep 60; touch '{tmp_path}/late') & wait")
        started(tmp_path / "up")
        place.backend.cancel(natives)
        place.backend.cancel(natives)
        assert place.over(natives).outcome is not Outcome.FINISHED
        place.backend.cancel(natives)
        assert [r.outcome for r in place.records(natives) if r.t == "case"] == ["INTERRUPTED"]
        assert not (tmp_path / "late").exists()

    def test_a_job_submitted_twice_runs_once(self, place: Place, tmp_path: Path) -> None:
        packed = place.pack("j1", f"echo run >> '{tmp_path}/log'; sleep 0.3")
        first = place.backend.submit([packed])["j1"]
        place.again().submit([packed])
        assert isinstance(first, str)
        place.over({"j1": first})
        assert (tmp_path / "log").read_text() == "run\n"

    def test_many_jobs_in_one_question(self, place: Place) -> None:
        packed = [place.pack(f"j{n}", "true") for n in range(3)]
        answers = place.backend.submit(packed)
        natives = {job: native for job, native in answers.items() if isinstance(native, str)}
        assert set(natives) == {"j0", "j1", "j2"}
        for job, native in natives.items():
            assert place.over({job: native}).outcome is Outcome.FINISHED
        assert set(place.backend.find(["j0", "j1", "j2"])) == {"j0", "j1", "j2"}

    def test_questions_about_nothing(self, place: Place) -> None:
        assert place.backend.look({}) == {}
        assert place.backend.find([]) == {}
        assert place.backend.submit([]) == {}
        place.backend.cancel({})

    def test_a_job_that_cannot_start_is_over_with_a_reason(self, place: Place) -> None:
        packed = place.pack("j1", "true")
        (packed.folder / "bundle.zip").write_bytes(b"no ZIP")
        native = place.backend.submit([packed])["j1"]
        assert isinstance(native, str)
        assert place.over({"j1": native}).outcome is Outcome.FAILED

    def test_outputs_are_brought_into_the_folder_of_the_job(self, place: Place) -> None:
        natives = place.start("j1", "echo hello", "true")
        place.over(natives)
        place.records(natives)
        brought = place.backend.bring("j1", natives["j1"])
        assert brought.complaint == ""
        (path,) = place.folder.zips("j1")
        with zipfile.ZipFile(path) as archive:
            assert archive.read("c0/stdout.txt") == b"hello\n"
        assert place.backend.bring("j1", natives["j1"]).complaint == "", "asked again, it is still right"

    def test_what_would_be_sent_is_told_without_sending_it(self, place: Place) -> None:
        packed = [place.pack(job, "true") for job in ("j1", "j2")]
        first, second = place.backend.preview(packed)
        assert first
        assert first != second
        assert place.backend.find(["j1", "j2"]) == {}
