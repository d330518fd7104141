"""Jobs are shared with others by name; what cannot be shared keeps nothing else from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import PASSWORD, Served

from weft.errors import NotLoggedIn, UsageError, WeftError
from weft.service.faults import Fault
from weft.tapis import histories, login, sharing
from weft.tapis.lifecycle import OVER
from weft.tapis.session import Session
from weft.tapis.sharing import RESOURCES, Told, check_users, share, study_folder

NAME = "frame-ab12cd-0001"
FOLDER = "{user}/weft/frame"
NOBODY = "00000000-0000-4000-8000-000000000000-007"


@pytest.fixture
def as_user(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Session]]:
    """Speaks as a user; each has a home of his own."""
    served.service.faults.use([])
    with ExitStack() as open_ones:

        def speak(user: str) -> Session:
            monkeypatch.setenv("WEFT_HOME", str(tmp_path / user))
            login.log_in(served.url, user, PASSWORD)
            return open_ones.enter_context(login.session(served.url))

        yield speak
    served.service.faults.use([])


def run(session: Session, name: str = NAME) -> str:
    folder = FOLDER.format(user=session.user)
    job = session.call(
        "jobs.submitJob",
        name=name,
        appId="hello",
        appVersion="1.0",
        archiveSystemId="storage",
        archiveSystemDir=f"/{folder}/{name}/out",
    )
    until = time.monotonic() + 60
    while session.call("jobs.getJob", jobUuid=job["uuid"])["status"] not in OVER:
        assert time.monotonic() < until
        time.sleep(0.1)
    return str(job["uuid"])


def statuses(told: list[Told]) -> list[tuple[str, str]]:
    return [(each.what, each.status) for each in told]


def test_the_folder_of_the_study_is_two_above_where_a_job_archives() -> None:
    job: dict[str, Any] = {"archiveSystemId": "storage", "archiveSystemDir": f"/ann/weft/frame/{NAME}/out"}
    assert study_folder({**job, "name": NAME}) == ("storage", "ann/weft/frame")
    assert study_folder({**job, "name": NAME[3:]}) == ("storage", "ann/weft/frame")
    assert study_folder({**job, "name": "another"}) is None
    assert study_folder({**job, "name": NAME, "archiveSystemDir": f"/{NAME}/out"}) is None
    assert study_folder({**job, "name": NAME, "archiveSystemDir": f"/ann/weft/frame/{NAME}"}) is None
    assert study_folder({"name": NAME}) is None


def test_a_shared_job_can_be_read_and_its_outputs_too(as_user: Callable[[str], Session]) -> None:
    ann, bob = as_user("ann"), as_user("bob")
    uuid = run(ann)
    with pytest.raises(WeftError, match="another user's"):
        histories.read(bob, uuid)
    told = share(ann, [uuid], ["bob"])
    assert statuses(told)[0] == (uuid, "shared")
    assert histories.read(bob, uuid).final
    listed = bob.call("jobs.getJobOutputList", jobUuid=uuid, outputPath=".")
    assert any(entry["name"] == "greeting.txt" for entry in listed)
    shared = ann.call("jobs.getJobShare", jobUuid=uuid)
    assert sorted(each["jobResource"] for each in shared) == sorted(RESOURCES)


def test_sharing_again_adds_only_what_is_missing(
    as_user: Callable[[str], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = as_user("ann")
    uuid = run(ann)
    ann.call("jobs.shareJob", jobUuid=uuid, grantee="bob", jobResource=["JOB_HISTORY"], jobPermission="READ")
    asked: list[Any] = []
    call = ann.call

    def heard(name: str, **arguments: Any) -> Any:
        asked.append(arguments.get("jobResource"))
        return call(name, **arguments)

    monkeypatch.setattr(ann, "call", heard)
    assert statuses(share(ann, [uuid, uuid], ["bob"]))[:1] == [(uuid, "shared")]
    assert [each for each in asked if each] == [[name for name in RESOURCES if name != "JOB_HISTORY"]]
    before = len(ann.call("jobs.getJobHistory", jobUuid=uuid))
    assert statuses(share(ann, [uuid], ["bob"]))[:1] == [(uuid, "already")]
    assert len(ann.call("jobs.getJobHistory", jobUuid=uuid)) == before
    assert len(ann.call("jobs.getJobShare", jobUuid=uuid)) == len(RESOURCES)


def test_what_was_shared_is_taken_back(as_user: Callable[[str], Session]) -> None:
    ann = as_user("ann")
    uuid = run(ann)
    share(ann, [uuid], ["bob", "weft"])
    assert statuses(share(ann, [uuid], ["bob"], revoke=True))[0] == (uuid, "unshared")
    assert statuses(share(ann, [uuid], ["bob"], revoke=True))[0] == (uuid, "was not")
    assert {each["grantee"] for each in ann.call("jobs.getJobShare", jobUuid=uuid)} == {"weft"}


def test_the_folder_is_shared_by_whom_the_system_belongs_to(as_user: Callable[[str], Session]) -> None:
    weft, bob = as_user("weft"), as_user("bob")
    uuid = run(weft)
    folder = FOLDER.format(user="weft")
    assert statuses(share(weft, [uuid], ["bob"]))[1:] == [(f"tapis://storage/{folder}", "shared")]
    path = f"{folder}/{NAME}/out/greeting.txt"
    assert bob.call("files.listFiles", systemId="storage", path=path)
    share(weft, [uuid], ["bob"], revoke=True)
    with pytest.raises(WeftError):
        bob.call("files.listFiles", systemId="storage", path=path)


def test_another_s_system_is_told_and_no_failure(as_user: Callable[[str], Session]) -> None:
    ann = as_user("ann")
    told = share(ann, [run(ann), run(ann, "frame-ab12cd-0002")], ["bob"])
    assert [each.status for each in told] == ["shared", "shared", "may not"]
    assert "owner" in told[-1].problem


def test_what_fails_is_told_by_job_and_the_others_are_shared(
    as_user: Callable[[str], Session], served: Served
) -> None:
    ann = as_user("ann")
    good, bad = run(ann), run(ann)
    served.service.faults.use([Fault(kind="status", status=503, where=f"POST /v3/jobs/{bad}/share")])
    told = {(each.what, each.user): each for each in share(ann, [NOBODY, bad, good], ["bob", "weft"])}
    assert [told[uuid, "bob"].status for uuid in (NOBODY, bad, good)] == ["failed", "failed", "shared"]
    assert told[good, "weft"].status == "shared"
    assert "503" in told[bad, "bob"].problem
    assert NOBODY in told[NOBODY, "bob"].problem


def test_users_are_checked_before_anything_is_shared(
    as_user: Callable[[str], Session], served: Served
) -> None:
    ann = as_user("ann")
    assert check_users(ann, ["bob", "weft", "bob"]) == ["bob", "weft"]
    with pytest.raises(UsageError, match="'nobody'"):
        check_users(ann, ["bob", "nobody"])
    with pytest.raises(UsageError, match="your own"):
        check_users(ann, ["ann"])
    for status in (403, 500):  # a tenant that does not tell
        served.service.faults.use([Fault(kind="status", status=status, where="/profiles/")])
        assert check_users(ann, ["bob"]) == ["bob"]


def test_without_a_login_nothing_is_told(as_user: Callable[[str], Session], served: Served) -> None:
    ann = as_user("ann")
    served.service.faults.use([Fault(kind="token", where="/v3/")])
    with pytest.raises(NotLoggedIn):
        sharing.share(ann, [NOBODY], ["bob"])
