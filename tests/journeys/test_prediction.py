"""What was foretold before anything was sent, against what then happened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import PROVE, count
from tests.journeys.tapis import facts, study
from tests.service.conftest import PASSWORD, Served, cheap_passwords, signing_key, start

from weft.api import Study
from weft.core import events as ev
from weft.core import foretold, waits
from weft.core.foretold import Actual
from weft.core.normal import Normal
from weft.store import journal
from weft.tapis import login

__all__ = ["cheap_passwords", "signing_key"]

SPEED = count(200, 20)
POLL = count(0.2, None)
"""When it is proved, weft looks as it always does: 1 s after it did something, then ever more rarely."""
FILE = """\
name = "{name}"
[model]
command = ': {{i}}; sleep {{t}}; for n in $(seq {files}); do head -c 20000 /dev/urandom > out$n.txt; done'
inputs = [{inputs}]
[parameters]
i = {{ range = [0, {cases}] }}
t = [{seconds}]
[output]
keep = ["out*.txt"]
[resources]
cores = 1
minutes = 5
[tapis]
app = "python"
cores = {slots}
jobs = {jobs}
{more}
"""


class Shape(NamedTuple):
    """One study: so many cases of each of these durations, in so many jobs of so many slots."""

    cases: int
    seconds: str
    jobs: int = 1
    slots: int = 2
    inputs: int = 1
    files: int = 1
    batch: bool = False
    pilot: int = 4


LEARNT = [
    Shape(cases=4, seconds="1.5"),
    Shape(cases=6, seconds="1, 2", jobs=2, files=5),
]
"""Each once as FORK, once as BATCH, which are other jobs; with its pilot, a study is two to four jobs."""
SHORT = Shape(cases=2, seconds="0.2", pilot=1)
PROVED = [
    Shape(cases=2, seconds="2, 3, 4", pilot=3),
    Shape(cases=12, seconds="1", slots=4, inputs=20),
    Shape(cases=8, seconds="2", jobs=2, files=50),
    Shape(cases=10, seconds="0.5, 3", jobs=3, slots=4),
    Shape(cases=30, seconds="0.5", slots=4, files=10),
    Shape(cases=3, seconds="8", slots=4, inputs=5, pilot=1),
    Shape(cases=5, seconds="2, 2.5", batch=True),
    Shape(cases=16, seconds="1", slots=2, batch=True, files=20),
    Shape(cases=4, seconds="5", batch=True, inputs=10, pilot=2),
    Shape(cases=20, seconds="0.4, 0.8", batch=True, slots=2),
]


def serving(folder: Path, key: Path, speed: float) -> Served:
    return Served(start(folder, key, pace="tapis", speed=speed, seed=6))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, signing_key: Path) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served") / "state", signing_key, SPEED) as running:
        yield running


@pytest.fixture
def home(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    login.log_in(served.url, "ann", PASSWORD)
    return tmp_path


def written(folder: Path, shape: Shape) -> Study:
    folder.mkdir()
    names = [f"in{number}.txt" for number in range(shape.inputs)]
    for name in names:
        (folder / name).write_text("x" * 5000)
    more = 'type = "BATCH"\nqueue = "development"' if shape.batch else ""
    text = FILE.format(
        name=folder.name,
        inputs=", ".join(f'"{name}"' for name in names),
        more=more,
        **{key: value for key, value in shape._asdict().items() if key not in ("inputs", "batch", "pilot")},
    )
    (folder / "study.toml").write_text(text)
    return study(folder / "study.toml", poll=POLL, cores=shape.slots)


def run(folder: Path, shape: Shape) -> Actual:
    """Run it to its end; what was foretold after its pilot, and what became of it."""
    one = written(folder, shape)
    done = one.run(pilot=shape.pilot)
    assert (done.done, done.failed) == (done.total, 0)
    found = foretold.actual(journal.read(one.folder.journal), one.profile())
    assert found is not None
    assert len(facts(one, ev.Predicted)) == 1
    return found


def test_of_ten_studies_eight_take_as_long_as_was_foretold_once_there_is_history(home: Path) -> None:
    learnt, proved = (LEARNT, PROVED) if PROVE else ([SHORT], [SHORT])
    for number, shape in enumerate(learnt):
        run(home / f"learnt-{number}", shape)
        if PROVE:
            run(home / f"learnt-batch-{number}", shape._replace(batch=True, jobs=1))
    found = [run(home / f"proved-{number}", shape) for number, shape in enumerate(proved)]
    told = [
        f"{least:5.1f} {likely:5.1f} {most:5.1f} s, took {one.wall_s:.1f} s; {one.forecast.basis}"
        for one in found
        for least, likely, most in [one.forecast.wall_s]
    ]
    print(*told, sep="\n")
    assert all([*one.forecast.wall_s] == sorted(one.forecast.wall_s) for one in found), told
    assert all(one.forecast.files == one.files for one in found), told
    assert all("your 2 ended jobs" in one.forecast.basis for one in found) or PROVE, told
    if PROVE:
        assert all(one.forecast.wall_s[2] <= 2 * one.forecast.wall_s[0] for one in found), told
        assert sum(one.forecast.wall_s[0] <= one.wall_s <= one.forecast.wall_s[2] for one in found) >= 8, told


FILES_IN, BYTES_IN = 112, 2_860_000
FILES_OUT, BYTES_OUT = 5069, 150_900_000
"""What a recorded job moved file by file, in 46 s and 215 s."""
PACKED = f"""\
name = "packed"
[model]
command = "mkdir out; cd out; head -c {BYTES_OUT} /dev/urandom | split -b {BYTES_OUT // FILES_OUT} -a 4"
inputs = ["in/"]
[output]
keep = ["out/*"]
[tapis]
app = "python"
cores = 1
"""


@pytest.mark.skipif(not PROVE, reason="takes minutes: at this speed the service is as slow as the real one")
def test_a_packed_job_moves_its_files_as_fast_as_foretold(
    tmp_path: Path, signing_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    inputs = tmp_path / "packed" / "in"
    inputs.mkdir(parents=True)
    for number in range(FILES_IN):
        (inputs / f"record{number}.txt").write_bytes(os.urandom(BYTES_IN // FILES_IN))
    file = inputs.parent / "study.toml"
    file.write_text(PACKED)
    with serving(tmp_path / "state", signing_key, 1.0) as served:
        login.log_in(served.url, "ann", PASSWORD)
        one = study(file, cores=1, poll=None)
        assert one.run().done == 1
    job = one.profile().jobs[0]
    took = sum(span.seconds for span in job.phases if span.name in ("STAGING_INPUTS", "ARCHIVING"))
    moved = {each.into: each for each in job.transfers}
    assert (moved["inputs"].files, moved["archive"].files) == (2, 3)
    assert moved["archive"].bytes > 0.99 * BYTES_OUT
    key = (job.given.app, job.given.system, job.given.queue)
    foretold = waits.total(
        [
            waits.transfer(Normal(), key, "inputs", 2, BYTES_IN),
            waits.transfer(Normal(), key, "archive", 3, BYTES_OUT),
        ]
    )
    print(f"foretold {foretold.likely:.0f} s, took {took:.0f} s")
    assert took / 2 <= foretold.likely <= took * 2
