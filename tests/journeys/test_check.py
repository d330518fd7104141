"""``weft check`` finds every planted fault, alone and in pairs, and nothing in good studies; ``--fix`` mends."""

from __future__ import annotations

import itertools
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.docs.pages import ROOT

import weft
from weft.cli import main
from weft.core import events as ev
from weft.core.checks import TABLE
from weft.model import Kind, Outcome
from weft.store.folder import StudyFolder
from weft.store.studyfile import starter_folder

GOOD = """\
# A good study: this comment must stay.
name = "good"

[model] # what runs for each case
command = "python3 model.py --x {x} --soil soil.txt"
inputs = ["model.py", "soil.txt"] # small files
expect = ["out.txt"]
result = "result.json"

[output]
keep = ["out.txt"] # what we look at

[parameters]
x = { range = [0, 20] } # twenty of them

[resources]
cores = 1
memory = "500 MB" # of one case
minutes = 5

[run]
on = "local" # this machine
"""
TAPIS = '[run]\non = "tapis" # there\n\n[tapis]\napp = "shell" # ours\nminutes = 60\njobs = 1\n'


class Planting:
    """A good study in a folder, into which faults are planted."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        folder.mkdir()
        self.file = folder / "study.toml"
        self.file.write_text(GOOD)
        self.write("model.py", "print('a model')\n")
        self.write("soil.txt", "sand 1.0\n")

    def write(self, name: str, text: str | bytes = "x\n") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text, old
        self.file.write_text(text.replace(old, new, 1))

    def share(self, entry: str) -> None:
        self.edit('result = "result.json"', f'result = "result.json"\nshared = ["{entry}"]')

    def tapis(self) -> None:
        if '"tapis"' not in self.file.read_text():
            self.edit('[run]\non = "local" # this machine\n', TAPIS)

    def past(
        self, *, wall: float = 60.0, memory: int = 100_000_000, kept: str = "out.txt", **said: Any
    ) -> None:
        """Ten cases that have finished, in the journal and in a ZIP."""
        place = StudyFolder(self.folder, "good")
        place.make()
        place.job("good-k-0001").mkdir()
        ids = [f"{number:012x}" for number in range(10)]
        facts: list[ev.AnyEvent] = [
            ev.Opened(at=1.0, format=1, name="good", key="k", weft="0"),
            ev.CasesAdded(at=1.0, ids=ids, params=[msgspec.Raw(b"{}")] * 10),
            ev.JobPlanned(
                at=1.0, job="good-k-0001", kind=Kind.CASES, backend="local", cases=ids, revision="r"
            ),
        ]
        facts += [
            ev.CaseEnded(
                at=2.0, by="node", job="good-k-0001", case=case, outcome=Outcome.FINISHED, start=1.0, wall=wall,
                memory=memory, kept=1, files=1,
            )
            for case in ids
        ]  # fmt: skip
        facts.append(ev.JobEnded(at=3.0, job="good-k-0001", outcome=Outcome.FINISHED))
        place.journal.write_bytes(ev.encode(facts))
        with zipfile.ZipFile(place.job("good-k-0001") / "out-000.zip", "w") as archive:
            for case in ids:
                archive.writestr(f"{case}/{kept}", said.get("log", "done\n"))

    def found(self, *, ask: bool = False) -> dict[str, str]:
        """The items that did not pass, with their verdicts."""
        checks = weft.Study.load(self.file).check(ask=ask)
        return {check.id: check.verdict.value for check in checks if check.verdict.value != "PASS"}


def many(at: Planting) -> None:
    for number in range(201):
        at.write(f"many/{number}.txt")
    at.edit('"soil.txt"]', '"soil.txt", "many"]')


def large(at: Planting) -> None:
    with at.write("large.bin").open("r+b") as file:
        file.truncate(50_000_001)
    at.edit('"soil.txt"]', '"soil.txt", "large.bin"]')


def repeated(at: Planting) -> None:
    at.write("a.bin", bytes(range(250)) * 500)
    at.write("b.bin", bytes(range(250)) * 500)
    at.edit('"soil.txt"]', '"soil.txt", "a.bin", "b.bin"]')


def whole_folder(at: Planting) -> None:
    at.edit('["model.py", "soil.txt"]', '["."]')


def empty(at: Planting) -> None:
    at.write("soil.txt", "")


def absent(at: Planting) -> None:
    at.write("lib/there.txt")
    (at.folder / "lib/gone.txt").symlink_to("nowhere")
    at.share("lib")


def of_a_job(at: Planting) -> None:
    at.write(".weft/other/jobs/other-0001/mesh.txt")
    at.share(f"{at.folder}/.weft/other/jobs/other-0001/mesh.txt")


def packed(at: Planting) -> None:
    at.write("data.zip")
    at.share("data.zip")
    at.edit('"python3 model.py', '"unzip -q data.zip; python3 model.py')


def crowded(at: Planting) -> None:
    first = at.write("crowd/0")
    for number in range(1, 5001):
        os.link(first, first.with_name(str(number)))
    at.share("crowd")


def old_scratch(at: Planting) -> None:
    scratch = at.folder.parent / "scratch"
    (scratch / "mesh").mkdir(parents=True)
    (scratch / "mesh/a.txt").write_text("mesh\n")
    long_ago = time.time() - 8 * 86_400
    os.utime(scratch / "mesh/a.txt", (long_ago, long_ago))
    at.patch.setenv("SCRATCH", str(scratch))
    at.share(f"{scratch}/mesh")


def unlisted(at: Planting) -> None:
    at.edit('["model.py", "soil.txt"]', '["model.py"]')


def unlisted_program(at: Planting) -> None:
    at.edit('["model.py", "soil.txt"]', '"soil.txt"')


def mistyped(at: Planting) -> None:
    at.edit("python3 model.py", "python3 modle.py")


def gone(at: Planting) -> None:
    at.edit("--soil soil.txt", "--soil soil.txt --mesh /no/such/place/mesh.txt")


def hub(at: Planting) -> None:
    at.tapis()
    at.share("tapis://designsafe.storage.default/ann/MyData/mesh")


def one_for_all(at: Planting) -> None:
    at.edit('soil.txt"\ninputs', f'soil.txt > {at.folder.parent}/all.txt"\ninputs')


def result_is_input(at: Planting) -> None:
    at.write("result.json", "{}\n")
    at.edit('"soil.txt"]', '"soil.txt", "result.json"]')


def same_rows(at: Planting) -> None:
    at.write("cases.csv", "y,note\n1,a\n1,b\n")
    at.edit("--x {x}", "--x {x} --y {y}")
    at.edit("[resources]", '[space]\ntable = "cases.csv"\n\n[resources]')


def windows(at: Planting) -> None:
    at.write("case.sh", b"#!/bin/sh\r\necho a\r\n")
    at.edit("python3 model.py", "sh case.sh; python3 model.py")
    at.edit('"soil.txt"]', '"soil.txt", "case.sh"]')


def no_program(at: Planting) -> None:
    at.write("case.sh", "#!/bin/sh\necho a\n")
    at.edit("python3 model.py", "./case.sh; python3 model.py")
    at.edit('"soil.txt"]', '"soil.txt", "case.sh"]')


def nothing_expected(at: Planting) -> None:
    at.edit('expect = ["out.txt"]\nresult = "result.json"\n', "")
    at.edit("[0, 20]", "[0, 50]")


def dropped(at: Planting) -> None:
    at.edit("--soil soil.txt", "--soil soil.txt > table.txt")


def all_kept(at: Planting) -> None:
    at.edit('keep = ["out.txt"]', 'keep = ["**"]')


def none_kept(at: Planting) -> None:
    at.past(kept="stdout.txt")


def huge(at: Planting) -> None:
    at.past()
    usage = shutil._ntuple_diskusage(10**13, 0, 10**13)  # type: ignore[attr-defined]
    at.patch.setattr(shutil, "disk_usage", lambda _: usage)
    path = StudyFolder(at.folder, "good").job("good-k-0001") / "out-000.zip"
    data = path.read_bytes()
    with path.open("r+b") as file:  # a hole in front: a ZIP is read from its end
        file.truncate(26_000_000_000)
        file.seek(26_000_000_000 - len(data))
        file.write(data)


def small_chunk(at: Planting) -> None:
    at.edit("[output]", '[output]\nchunk = "1 MB"')


def long_logs(at: Planting) -> None:
    at.edit("[output]", '[output]\nlog = "1 GB"')


def full_disk(at: Planting) -> None:
    usage = shutil._ntuple_diskusage(10**12, 10**12 - 10**8, 10**8)  # type: ignore[attr-defined]
    at.patch.setattr(shutil, "disk_usage", lambda _: usage)


def too_short(at: Planting) -> None:
    at.past(wall=290.0)


def job_too_short(at: Planting) -> None:
    at.tapis()
    at.edit("minutes = 60", "minutes = 4")


def too_little_memory(at: Planting) -> None:
    at.past(memory=600_000_000)


def too_many_cores(at: Planting) -> None:
    at.edit("cores = 1", "cores = 4096")


def too_many_threads(at: Planting) -> None:
    at.edit("[output]", 'env = { OMP_NUM_THREADS = "4" } # threads\n\n[output]')


def too_many_ranks(at: Planting) -> None:
    at.tapis()
    at.edit("python3 model.py", "mpirun -np 4 python3 model.py")


def too_many_slots(at: Planting) -> None:
    at.edit("[run]", "[local]\nslots = 4096 # at a time\n\n[run]")


def crowded_work(at: Planting) -> None:
    at.past()
    at.edit("[output]", 'workdir = "job"\nfinish = "cat $WEFT_RESULTS"\n\n[output]')
    at.edit("[0, 20]", "[0, 10001]")


def no_scratch(at: Planting) -> None:
    at.patch.delenv("SCRATCH", raising=False)
    at.edit("[output]", 'workdir = "scratch"\n\n[output]')


def storm(at: Planting) -> None:
    at.tapis()
    at.edit("jobs = 1", "jobs = 5\nslots = 48")
    at.edit("[0, 20]", "[0, 1000]")
    at.edit("minutes = 5", "minutes = 15")


def little_work(at: Planting) -> None:
    at.tapis()
    at.edit("jobs = 1", "jobs = 20")


def many_attempts(at: Planting) -> None:
    at.edit("[run]", '[retry]\nattempts = 9\non = ["exit"]\n\n[run]')


def never_stops(at: Planting) -> None:
    at.edit("[run]", "[retry]\nstop_after = 0\n\n[run]")
    at.edit("[0, 20]", "[0, 100]")


def no_pilot(at: Planting) -> None:
    at.edit("[0, 20]", "[0, 1001]")


def told_secret(at: Planting) -> None:
    at.edit("[output]", 'env = { PORTAL_TOKEN = "sesame" }\n\n[output]')


def purged(at: Planting) -> None:
    at.tapis()
    at.edit("jobs = 1", 'jobs = 1\nstorage = "tapis://stampede3/scratch/01234/ann"')


def no_login(at: Planting) -> None:
    at.tapis()


FAULTS: dict[str, tuple[str, Callable[[Planting], None]]] = {
    "many": ("many-inputs", many),
    "large": ("large-inputs", large),
    "repeated": ("repeated-inputs", repeated),
    "whole folder": ("study-file-as-input", whole_folder),
    "empty": ("empty-inputs", empty),
    "absent": ("absent-inputs", absent),
    "of a job": ("inputs-of-jobs", of_a_job),
    "packed": ("packed-inputs", packed),
    "crowded": ("crowded-folders", crowded),
    "old scratch": ("scratch-age", old_scratch),
    "unlisted": ("unlisted-files", unlisted),
    "unlisted program": ("unlisted-files", unlisted_program),
    "mistyped": ("unlisted-files", mistyped),
    "gone": ("places-on-the-node", gone),
    "hub": ("hub-folders", hub),
    "one for all": ("shared-writes", one_for_all),
    "result is input": ("names-of-results", result_is_input),
    "same rows": ("same-commands", same_rows),
    "windows": ("line-ends", windows),
    "no program": ("programs", no_program),
    "nothing expected": ("expected-outputs", nothing_expected),
    "dropped": ("dropped-outputs", dropped),
    "all kept": ("keep-everything", all_kept),
    "none kept": ("keep-nothing", none_kept),
    "huge": ("huge-outputs", huge),
    "small chunk": ("output-chunk", small_chunk),
    "long logs": ("log-size", long_logs),
    "full disk": ("disk-space", full_disk),
    "too short": ("wall-time", too_short),
    "job too short": ("job-time", job_too_short),
    "too little memory": ("memory", too_little_memory),
    "too many cores": ("cores", too_many_cores),
    "too many threads": ("threads", too_many_threads),
    "too many ranks": ("ranks", too_many_ranks),
    "too many slots": ("slots", too_many_slots),
    "crowded work": ("crowded-work", crowded_work),
    "no scratch": ("scratch-folder", no_scratch),
    "storm": ("import-storm", storm),
    "little work": ("work-in-a-job", little_work),
    "many attempts": ("retries", many_attempts),
    "never stops": ("stop-after", never_stops),
    "no pilot": ("pilot", no_pilot),
    "secret": ("secrets", told_secret),
    "purged": ("purged-storage", purged),
    "no login": ("backend", no_login),
}
MENDED = frozenset(
    (
        *(
            "many",
            "large",
            "unlisted",
            "unlisted program",
            "hub",
            "windows",
            "no program",
            "dropped",
            "all kept",
        ),
        *("small chunk", "long logs", "too short", "too little memory", "too many cores", "too many threads"),
        *("too many ranks", "too many slots", "crowded work", "no scratch", "little work", "many attempts"),
        *("never stops", "purged"),
    )
)
"""The faults that need no decision."""


@pytest.fixture
def planting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planting:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WEFT_TAPIS_URL", raising=False)
    return Planting(tmp_path / "study", monkeypatch)


def test_every_item_is_planted() -> None:
    assert {item for item, _ in FAULTS.values()} == {item.id for item in TABLE}
    assert {FAULTS[name][0] for name in MENDED} | {"scratch-age", "job-time"} == {
        item.id for item in TABLE if item.fixes
    }


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(planting: Planting, name: str) -> None:
    item, plant = FAULTS[name]
    assert planting.found() == {}
    plant(planting)
    assert [*planting.found(ask=name == "no login")] == [item]


@pytest.mark.parametrize(
    "names", [*itertools.combinations(("unlisted", "too many threads", "dropped"), 2)], ids="+".join
)
def test_two_faults_are_both_found_and_mended(planting: Planting, names: tuple[str, str]) -> None:
    for name in names:
        FAULTS[name][1](planting)
    assert {*planting.found()} == {FAULTS[name][0] for name in names}
    assert main.run(["check", str(planting.file), "--fix", "--yes"]) == 0
    assert planting.found() == {}


@pytest.mark.parametrize("name", sorted(MENDED))
def test_what_can_be_mended_is_mended_once(planting: Planting, name: str) -> None:
    FAULTS[name][1](planting)
    assert FAULTS[name][0] in planting.found()
    comments = [line.partition("#")[2] for line in planting.file.read_text().splitlines() if "#" in line]
    main.run(["check", str(planting.file), "--fix", "--yes"])
    assert FAULTS[name][0] not in planting.found()
    text = planting.file.read_text()
    kept = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert kept == [comment for comment in comments if comment in kept]
    lost = {*comments} - {*kept}
    assert lost <= {" at a time"}, "only with the line that it stood on"
    main.run(["check", str(planting.file), "--fix", "--yes"])
    assert planting.file.read_text() == text


GOODS = ["hello", "cantilever", "portal-ida", "tcl-portal", "python", "shell", "openseespy"]


@pytest.mark.parametrize("name", GOODS)
@pytest.mark.parametrize("variant", ["as it is", "elsewhere"])
def test_nothing_is_found_in_good_studies(
    name: str, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    source = ROOT / "examples" / name
    source = source if source.exists() else starter_folder(name)
    shutil.copytree(source, tmp_path / "a b", ignore=shutil.ignore_patterns(".weft", "__pycache__"))
    if variant == "elsewhere":
        file = tmp_path / "a b/study.toml"
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    checks = weft.Study.load(tmp_path / "a b").check()
    assert [check for check in checks if check.verdict.value != "PASS"] == []
