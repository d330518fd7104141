"""The same study here and through Tapis: its profiles agree, and so do the accounts of Slurm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import count
from tests.journeys.tapis import Tapis, study
from tests.service.conftest import PASSWORD, Served, cheap_passwords, signing_key, start
from tests.slurm import Cluster

from weft.api import Study
from weft.core import events as ev
from weft.core.events import AnyEvent
from weft.core.jobtime import JobProfile, Span
from weft.core.profile import Profile, profile_of
from weft.model import Phase
from weft.schedulers import accounting
from weft.tapis import login

__all__ = ["cheap_passwords", "signing_key"]

CASES = """\
name = "naps"
[model]
command = "sleep 0.2; echo {i}"
[parameters]
i = { range = [0, COUNT] }
[local]
slots = 2
"""
NOISE = 1.5
"""Seconds by which two runs of the same cases may differ on a busy machine."""


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, signing_key: Path, slurm_accounting: Cluster
) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm_accounting.environment.items():
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("served") / "state"
        with Served(start(folder, signing_key, slurm=True)) as running:
            yield running


@pytest.fixture
def tapis(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tapis:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    login.log_in(served.url, "ann", PASSWORD)
    return Tapis(served)


def naps(folder: Path) -> Path:
    folder.mkdir()
    file = folder / "study.toml"
    file.write_text(CASES.replace("COUNT", str(count(40, 40))))
    return file


def profiled(of: Study) -> tuple[Profile, JobProfile]:
    assert of.run().failed == 0
    found = of.profile()
    (job,) = found.jobs
    return found, job


def running(job: JobProfile) -> tuple[Span, float]:
    """RUNNING, and by how much either end of it may be wrong."""
    place = next(number for number, span in enumerate(job.phases) if span.name == Phase.RUNNING.value)
    before = job.phases[place - 1].uncertain if place else 0.0
    return job.phases[place], job.phases[place].uncertain + before


def agree(one: JobProfile, other: JobProfile) -> None:
    (here, late_here), (there, late_there) = running(one), running(other)
    assert abs(here.seconds - there.seconds) <= late_here + late_there + NOISE


def whole(job: JobProfile) -> None:
    """Every moment of the job is attributed to a phase."""
    for before, after in zip(job.phases, job.phases[1:], strict=False):
        assert before.end == after.start
    assert not any(span.open for span in job.phases)
    cases = next(span for span in job.runner if span.name == "CASES")
    assert cases.seconds >= 40 * 0.2 / 2


def accounted(job: str) -> list[AnyEvent]:
    """What Slurm's accounts tell of a job that is over; they come some seconds after its end."""
    until = time.monotonic() + 60.0
    while True:
        facts, notes = accounting.facts_of(accounting.ask([job]))
        assert not notes
        if any(isinstance(fact, ev.JobEnded) for fact in facts):
            return facts
        assert time.monotonic() < until, facts
        time.sleep(0.5)


def test_profiles_agree_wherever_the_study_ran(
    tapis: Tapis, tmp_path: Path, slurm_accounting: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, here = profiled(Study.load(naps(tmp_path / "here")))
    _, fork = profiled(study(naps(tmp_path / "fork"), type="FORK", jobs=1, slots=2))
    _, batch = profiled(
        study(naps(tmp_path / "batch"), type="BATCH", system="slurm", jobs=1, slots=2, minutes=10)
    )
    for job in (here, fork, batch):
        whole(job)
    agree(here, fork)
    agree(here, batch)
    names = [span.name for span in batch.phases]
    for phase in (Phase.PENDING, Phase.STAGING_INPUTS, Phase.QUEUED, Phase.RUNNING, Phase.ARCHIVING):
        assert phase.value in names, names

    for name, value in slurm_accounting.environment.items():
        monkeypatch.setenv(name, value)
    remote = str(tapis.session.call("jobs.getJob", jobUuid=batch.native)["remoteJobId"])
    facts = accounted(remote)
    (slurms,) = profile_of(facts).jobs
    agree(slurms, batch)
    agree(slurms, here)
    assert slurms.given.queue in slurm_accounting.partitions
