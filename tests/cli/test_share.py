"""``weft share``, against a real service: the jobs of a study, seen by another user."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Weft
from tests.facts import Facts
from tests.service.conftest import PASSWORD, Served, cheap_passwords, served, signing_key

from weft.core import events as ev
from weft.errors import Exit
from weft.model import Kind
from weft.service.faults import Fault
from weft.store.folder import StudyFolder
from weft.tapis import login
from weft.tapis.lifecycle import OVER

__all__ = ["cheap_passwords", "served", "signing_key"]

NAMES = ("greetings-ab12-0001", "greetings-ab12-0002")
NOBODY = "00000000-0000-4000-8000-000000000000-007"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WEFT_TAPIS_URL", raising=False)


def submitted(served: Served, user: str) -> list[str]:
    """Log in, and run jobs as weft would have them."""
    login.log_in(served.url, user, PASSWORD)
    with login.session(served.url) as session:
        uuids = []
        for name in NAMES:
            job = session.call(
                "jobs.submitJob",
                name=name,
                appId="hello",
                appVersion="1.0",
                archiveSystemId="storage",
                archiveSystemDir=f"/{user}/weft/greetings/{name}/out",
            )
            uuids.append(str(job["uuid"]))
        until = time.monotonic() + 60
        while any(session.call("jobs.getJob", jobUuid=uuid)["status"] not in OVER for uuid in uuids):
            assert time.monotonic() < until
            time.sleep(0.1)
    return uuids


def study(weft: Weft, uuids: Sequence[str], backend: str = "tapis") -> None:
    """A study whose journal has these jobs."""
    weft.study()
    facts = Facts()
    for number, uuid in enumerate(uuids):
        job = f"greetings-ab12-{number + 1:04}"
        planned = {"kind": Kind.CASES, "backend": backend, "cases": [], "revision": "r1"}
        facts.add(ev.JobPlanned, job=job, **planned)
        facts.add(ev.JobSubmitSent, job=job)
        facts.add(ev.JobSubmitted, job=job, native=uuid)
    facts.write(StudyFolder(weft.folder, "greetings").journal)


def seen_by(served: Served, user: str) -> set[str]:
    import requests

    answer = requests.get(
        f"{served.url}/v3/jobs/list?listType=SHARED_JOBS",
        headers={"X-Tapis-Token": served.token(user)},
        timeout=30,
    )
    return {job["uuid"] for job in answer.json()["result"]}


def test_the_jobs_of_a_study_are_shared_and_taken_back(weft: Weft, served: Served) -> None:
    uuids = submitted(served, "ann")
    study(weft, uuids)
    said = weft.quick("share", "bob", code=Exit.DONE)
    assert "greetings, bob: 2 jobs shared\n" in said.out
    assert "tapis://storage/ann/weft/greetings: only the owner of the system may share it" in said.out
    assert seen_by(served, "bob") >= set(uuids)
    assert "2 jobs shared already" in weft.quick("share", "study.toml", "bob", code=Exit.DONE).out
    assert "2 jobs no longer shared" in weft.quick("share", "bob", "--revoke", code=Exit.DONE).out
    assert not seen_by(served, "bob") & set(uuids)
    assert "2 jobs not shared before" in weft.quick("share", "bob", "--revoke", code=Exit.DONE).out


def test_who_owns_the_system_shares_the_folder_as_well(weft: Weft, served: Served) -> None:
    study(weft, submitted(served, "weft"))
    told = weft.quick("share", "bob", "ann", "--json", code=Exit.DONE).json
    assert (told["format"], told["name"], len(told["shares"])) == (1, "greetings", 6)
    assert {share["status"] for share in told["shares"]} == {"shared"}
    folders = [share for share in told["shares"] if share["what"] == "tapis://storage/weft/weft/greetings"]
    assert [share["user"] for share in folders] == ["bob", "ann"]
    assert "tapis://storage/weft/weft/greetings: shared" in weft.quick("share", "bob", code=Exit.DONE).out


def test_a_job_that_fails_is_told_and_the_others_are_shared(weft: Weft, served: Served) -> None:
    uuids = submitted(served, "ann")
    study(weft, [*uuids, NOBODY])
    said = weft.quick("share", "bob", code=Exit.PROBLEM)
    assert "2 jobs shared, 1 job failed" in said.out
    assert f"error: {NOBODY}, bob: " in said.err
    served.service.faults.use([Fault(kind="status", status=503, where="/share")])
    try:
        told = weft.quick("share", "bob", "--json", code=Exit.PROBLEM).json
    finally:
        served.service.faults.use([])
    assert {share["status"] for share in told["shares"]} == {"failed"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "with whom"),
        (["study.toml"], "with whom"),
        (["nobody"], "no user 'nobody'"),
        (["ann"], "your own"),
    ],
)
def test_users_that_make_no_sense_are_told(weft: Weft, served: Served, words: list[str], said: str) -> None:
    login.log_in(served.url, "ann", PASSWORD)
    study(weft, [NOBODY])
    answer = weft.quick("share", *words, code=Exit.USAGE)
    assert said in answer.err
    assert "hint:" in answer.err


def test_a_study_without_jobs_at_tapis_has_nothing_to_share(weft: Weft) -> None:
    assert "no study" in weft.quick("share", "bob", code=Exit.NO_STUDY).err
    weft.study()
    assert "has not been run yet" in weft.quick("share", "bob", code=Exit.NO_STUDY).err
    study(weft, ["4711"], backend="local")
    assert "no jobs at Tapis" in weft.quick("share", "bob", code=Exit.PROBLEM).err
    study(weft, [NOBODY])
    assert "weft login" in weft.quick("share", "bob", code=Exit.NOT_LOGGED_IN).err
