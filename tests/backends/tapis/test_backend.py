"""The Tapis backend keeps the contract, over HTTP and with the official client, and what is its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.backends.contract import PATIENCE, BackendContract, Place
from tests.service.conftest import PASSWORD, Served, cheap_passwords, signing_key, start

from weft.backends.base import Packed, Refused
from weft.backends.tapis.backend import TapisBackend
from weft.backends.tapis.jobs import job_name
from weft.backends.tapis.place import Place as TapisPlace
from weft.errors import BackendError, CheckFailed, UsageError
from weft.model import Bundle, Model, Outcome, Resources, Study
from weft.service.faults import Fault
from weft.store.archive import entries
from weft.store.folder import StudyFolder
from weft.tapis import login
from weft.tapis.paths import Address, Mount, Places, Tenant
from weft.tapis.session import Session

__all__ = ["cheap_passwords", "signing_key"]

SETTINGS = {"app": "python", "poll": 0.2, "settle": 2.0, "jobs": 50, "cores": 2}


@pytest.fixture
def served(tmp_path: Path, signing_key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A service of the test's own, at which ann is logged in."""
    monkeypatch.setenv("WEFT_HOME", str(tmp_path / "home of weft"))
    with Served(start(tmp_path / "state", signing_key)) as running:
        login.log_in(running.url, "ann", PASSWORD)
        yield running


@pytest.fixture
def place(served: Served, tmp_path: Path) -> Place:
    folder = StudyFolder(tmp_path / "study", "contract")
    folder.make()
    study = Study(name="contract", folder=str(tmp_path / "study"), file="", model=Model(command="true"))
    return Place(folder, lambda: TapisBackend(study, folder, SETTINGS))


class TestTapis(BackendContract):
    pass


def raw(place: Place) -> Session:
    """The session of the backend, to do by hand what its user may do in the portal."""
    return reached(place).session


def reached(place: Place) -> TapisPlace:
    assert isinstance(place.backend, TapisBackend)
    return place.backend._place


def finished(place: Place, *commands: str) -> dict[str, str]:
    natives = place.start("j1", *commands)
    place.over(natives)
    return natives


def archived(place: Place, name: str) -> Address:
    assert isinstance(place.backend, TapisBackend)
    return reached(place).within(reached(place).archive("j1")) / name


def test_a_hidden_job_is_over_if_its_archive_says_so(place: Place) -> None:
    natives = finished(place, "true", "exit 3")
    raw(place).call("jobs.hideJob", jobUuid=natives["j1"])
    place.backend = place.again()
    seen = place.backend.look(natives)["j1"]
    assert (seen.outcome, seen.word) == (Outcome.FINISHED, "hidden")
    assert [record.outcome for record in place.records(natives) if record.t == "case"] == [
        "FINISHED",
        "FAILED",
    ]
    assert place.backend.bring("j1", natives["j1"]).complaint == ""


def test_a_hidden_job_without_records_is_only_unseen(place: Place) -> None:
    natives = finished(place, "true")
    where = archived(place, "results.jsonl")
    reached(place).files.delete(where.system, where.path)
    raw(place).call("jobs.hideJob", jobUuid=natives["j1"])
    assert place.again().look(natives) == {}


def test_outputs_that_are_gone_are_complained_about(place: Place) -> None:
    natives = finished(place, "echo a")
    place.records(natives)
    assert isinstance(place.backend, TapisBackend)
    for folder in place.backend._leavings.folders("j1", natives["j1"]):
        where = folder / "out-000.zip"
        reached(place).files.delete(where.system, where.path)
    told = place.backend.bring("j1", natives["j1"]).complaint
    assert "its results ZIP" in told
    assert "tapis://storage/ann/weft" in told


def test_outputs_that_are_cut_off_are_complained_about_and_read_as_far_as_they_go(place: Place) -> None:
    natives = finished(place, "echo a", "echo b")
    place.records(natives)
    where = archived(place, "out-000.zip")
    whole = reached(place).files.read(where.system, where.path)
    assert whole
    reached(place).files.upload(whole[: len(whole) // 2], where.system, where.path)
    assert "out-000.zip is cut off" in place.backend.bring("j1", natives["j1"]).complaint
    assert [member.case for member in entries(place.folder.zips("j1")[0])]


def test_outputs_on_a_mounted_path_are_read_in_place(place: Place, served: Served) -> None:
    natives = finished(place, "echo a")
    root = Path(served.folder) / "storage"
    shown = Tenant(home=str(root.parent), mounts=(Mount(folder="storage", address="tapis://storage"),))
    there = reached(place)
    assert isinstance(place.backend, TapisBackend)
    place.backend._reached = replace(there, places=Places(shown))
    place.records(natives)
    assert place.backend.bring("j1", natives["j1"]).complaint == ""
    (path,) = place.folder.zips("j1")
    assert path.is_symlink()
    assert path.resolve().is_relative_to(root)


def test_other_jobs_of_the_user_take_their_share_of_the_limit(place: Place) -> None:
    there = reached(place)
    assert isinstance(place.backend, TapisBackend)
    place.backend._reached = replace(there, most_jobs=3)
    assert place.backend.limits.max_jobs == 3
    for number in range(2):
        raw(place).call(
            "jobs.submitJob",
            name=f"other-{number}",
            appId="shell-runner",
            appVersion="1.0",
            parameterSet={"appArgs": [{"name": "Shell command", "arg": "sleep 60"}]},
        )
    place.backend.look({"j1": "no-such-job-007"})
    assert place.backend.limits.max_jobs == 1


def test_a_refusal_says_what_the_service_said(place: Place) -> None:
    packed = place.pack("j1", "true")
    there = reached(place)
    assert isinstance(place.backend, TapisBackend)
    place.backend._reached = replace(there, app=replace(there.app, version="9.9"))
    answer = place.backend.submit([packed])["j1"]
    assert isinstance(answer, Refused)
    assert "9.9" in answer.why


def test_the_place_of_the_store_is_not_guessed_at(place: Place, served: Served) -> None:
    fault = Fault(kind="status", where="GET /v3/systems/local/hostEval/WORK", left=8, seconds=0.0)
    served.service.faults.use([fault])
    with pytest.raises(BackendError):
        place.again().prepare()
    served.service.faults.use([])
    assert reached(place).node.claims


@pytest.mark.parametrize("kind", ["lost", "late", "status"])
def test_a_submission_without_an_answer_is_left_open_and_found(
    place: Place, served: Served, kind: str
) -> None:
    packed = place.pack("j1", "true")
    served.service.faults.use([Fault(kind=kind, where="POST /v3/jobs/submit", left=1, seconds=0.5)])
    assert place.backend.submit([packed]) == {}
    served.service.faults.use([])
    if kind == "status":
        assert place.again().find(["j1"]) == {}
        return
    end = time.monotonic() + PATIENCE
    while not (natives := place.again().find(["j1"])):
        assert time.monotonic() < end
        time.sleep(0.05)
    place.over(natives)


def test_names_are_as_long_as_tapis_allows_and_still_one_for_each_job() -> None:
    assert job_name("frame-a1b2c3-0001") == "frame-a1b2c3-0001"
    long = ["x" * 63 + f"-a1b2c3-{number:04}" for number in (1, 2)]
    names = [job_name(job) for job in long]
    assert all(len(name) <= 64 for name in names)
    assert len(set(names)) == 2


def test_jobs_of_another_login_are_not_taken_for_lost(place: Place, served: Served) -> None:
    natives = place.start("j1", "true")
    place.over(natives)
    login.log_in(served.url, "bob", PASSWORD)
    place.backend = place.again()
    for ask in (lambda: place.backend.look(natives), lambda: place.backend.find(["j1"])):
        with pytest.raises(UsageError, match="as ann") as caught:
            ask()
        assert f"weft login {served.url} --user ann" in caught.value.hint
    assert place.backend.find(["j2"]) == {}
    login.log_in(served.url, "ann", PASSWORD)
    place.backend = place.again()
    assert place.over(natives).outcome is Outcome.FINISHED


def test_a_refused_upload_says_where_to(place: Place) -> None:
    place.backend = made(place, {"app": "python", "storage": "tapis://storage/bob/x"})
    (answer,) = place.backend.submit([place.pack("j1", "true")]).values()
    assert isinstance(answer, Refused)
    assert answer.why.startswith("its files cannot be put at tapis://storage/bob/x/")


def made(place: Place, settings: dict[str, object], **resources: object) -> TapisBackend:
    study = Study(
        name="contract",
        folder=str(place.folder.root),
        file="",
        model=Model(command="true"),
        resources=Resources(**resources),  # type: ignore[arg-type]
    )
    return TapisBackend(study, place.folder, settings)


def test_a_job_has_room_for_one_case_at_least(place: Place) -> None:
    backend = made(place, {"app": "python"}, cores=2, memory_mb=4000)
    [request] = backend.preview([Packed(job="j", folder=Path(), bundle=Bundle(cases=("a",)))])
    assert (request["coresPerNode"], request["memoryMB"]) == (2, 4000)
    assert (backend.limits.slots, backend.limits.memory_mb) == (1, 4000)


@pytest.mark.parametrize(
    ("settings", "resources", "where"),
    [
        ({"cores": 2}, {"cores": 4}, "tapis.cores"),
        ({"memory_mb": 1000}, {"memory_mb": 2000}, "tapis.memory"),
        ({"minutes": 5.0}, {"minutes": 60.0}, "tapis.minutes"),
    ],
)
def test_a_job_that_is_smaller_than_a_case_is_refused(
    place: Place, settings: dict[str, object], resources: dict[str, object], where: str
) -> None:
    with pytest.raises(CheckFailed) as caught:
        made(place, {"app": "python", **settings}, **resources).prepare()
    assert caught.value.where == where
    assert where.replace("tapis", "resources") in caught.value.hint


def test_a_study_that_names_no_app_is_refused(place: Place) -> None:
    with pytest.raises(CheckFailed, match="which app"):
        made(place, {}).prepare()
