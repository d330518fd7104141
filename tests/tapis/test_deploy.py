"""From a new app to a finished job, with the real service; and what deploying never does."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import PASSWORD, Served

from weft.errors import AnswerLost, CheckFailed, WeftError
from weft.service.faults import Fault
from weft.tapis import appfolder, login
from weft.tapis.deploy import check, deploy
from weft.tapis.files import Files
from weft.tapis.linting import Level
from weft.tapis.paths import Address
from weft.tapis.scaffold import DEFINITION, KINDS, WRAPPER, app_files
from weft.tapis.session import Rejected, Session

FAILING = {"python": "import sys\nsys.exit(7)\n", "shell": "exit 7\n", "tcl": "exit 7\n"}
NEEDS_TCL = pytest.mark.skipif(shutil.which("tclsh") is None, reason="there is no tclsh")
EACH = [pytest.param(kind, marks=NEEDS_TCL if kind == "tcl" else ()) for kind in KINDS]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, kind: str = "python", *, batch: bool = False) -> Path:
        folder = tmp_path / name
        for path, (text, mode) in app_files(name, kind, batch=batch).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(mode)
        return folder

    return make


@pytest.fixture
def session_of(served: Served, session: Session) -> Iterator[Callable[[str], Session]]:
    """Sessions of other users than ann."""
    with ExitStack() as opened:

        def make(user: str) -> Session:
            login.log_in(served.url, user, PASSWORD)
            return opened.enter_context(login.session(served.url))

        yield make


def change(folder: Path, **values: Any) -> None:
    definition = json.loads((folder / DEFINITION).read_text())
    (folder / DEFINITION).write_text(json.dumps({**definition, **values}, indent=2))


def submitted(
    session: Session, app: str, kind: str, script: str, text: str, *arguments: str, **more: Any
) -> dict[str, Any]:
    """Submit a job with one script and wait for its end; its last state."""
    Files(session).upload(text.encode(), "storage", f"{session.user}/in-{app}/{script}")
    args = [{"name": "Main Script", "arg": script}]
    args += [{"name": "CommandLine Arguments", "arg": each} for each in arguments]
    job = session.call(
        "jobs.submitJob",
        name=f"{app}-{kind}",
        appId=app,
        appVersion="1.0",
        fileInputs=[{"name": "Input Directory", "sourceUrl": f"tapis://storage/{session.user}/in-{app}"}],
        parameterSet={"appArgs": args},
        **more,
    )
    for _ in range(600):
        seen: dict[str, Any] = session.call("jobs.getJob", jobUuid=job["uuid"])
        if seen["status"] in ("FINISHED", "FAILED", "CANCELLED"):
            return seen
        time.sleep(0.1)
    raise AssertionError(seen["status"])


def archived(session: Session, job: dict[str, Any]) -> dict[str, bytes]:
    files, place = Files(session), job["archiveSystemDir"].strip("/")
    found = files.listing("storage", place, recurse=True) or []
    return {
        each.path.removeprefix(f"{place}/"): files.read("storage", each.path) or b""
        for each in found
        if not each.is_dir
    }


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("batch", [False, True])
def test_from_a_new_app_to_a_job(session: Session, made: Callable[..., Path], kind: str, batch: bool) -> None:
    name = f"{kind}-{'batch' if batch else 'fork'}"
    app = appfolder.read(made(name, kind, batch=batch))
    assert check(session, app) == []
    assert deploy(session, app).state == "created"
    script = KINDS[kind].script
    sample = (app.folder / "sample" / script).read_text()
    job = submitted(session, name, kind, script, sample, "3.0")
    assert (job["status"], job["jobType"]) == ("FINISHED", "BATCH" if batch else "FORK"), job["lastMessage"]
    kept = archived(session, job)
    assert set(kept) == {"result.json", "tapisjob.exitcode", "tapisjob.out"}, "neither inputs nor the app"
    assert json.loads(kept["result.json"])["deflection"] == pytest.approx(0.002)
    job = submitted(session, name, kind, f"fail{Path(script).suffix}", FAILING[kind])
    assert job["status"] == "FAILED"
    assert job["remoteResultInfo"].startswith("7"), job["remoteResultInfo"]
    assert archived(session, job)["tapisjob.exitcode"] == b"7\n"


def test_one_directory_for_everything_works_too(session: Session, made: Callable[..., Path]) -> None:
    """As a study asks for it: what is written among the inputs can be archived by name."""
    app = appfolder.read(made("one-directory"))
    deploy(session, app)
    body = "open('results.jsonl', 'w').write('{}')\n"
    one = "${JobWorkingDir}"
    more = {
        "execSystemExecDir": one,
        "execSystemInputDir": one,
        "execSystemOutputDir": one,
    }
    job = submitted(session, "one-directory", "python", "runner.py", body, **more)
    assert job["status"] == "FINISHED"
    assert archived(session, job)["inputDirectory/results.jsonl"] == b"{}"


def image(session: Session, address: str) -> bytes:
    place = Address.parse(address)
    return Files(session).read(place.system, place.path) or b""


def registered(session: Session, app: str, version: str = "1.0") -> dict[str, Any]:
    found: dict[str, Any] = session.call("apps.getApp", appId=app, appVersion=version)
    return found


def test_the_same_again_changes_nothing(session: Session, made: Callable[..., Path]) -> None:
    folder = made("again")
    first = deploy(session, appfolder.read(folder))
    before = registered(session, "again")
    os.utime(folder / WRAPPER, (1e9, 1e9))
    second = deploy(session, appfolder.read(folder))
    assert (first.state, second.state) == ("created", "unchanged")
    assert second.image == first.image == before["containerImage"]
    assert registered(session, "again") == before


def test_another_content_needs_another_version(session: Session, made: Callable[..., Path]) -> None:
    folder = made("changed")
    first = deploy(session, appfolder.read(folder))
    content = image(session, first.image)
    (folder / "more.py").write_text("x = 1\n")
    with pytest.raises(CheckFailed, match="another content") as error:
        deploy(session, appfolder.read(folder))
    assert "--version" in error.value.hint and "--replace" in error.value.hint
    second = deploy(session, appfolder.read(folder), version="1.1")
    assert (second.version, second.state) == ("1.1", "created")
    replaced = deploy(session, appfolder.read(folder), replace=True)
    assert (replaced.version, replaced.state) == ("1.0", "replaced")
    assert registered(session, "changed")["containerImage"] == replaced.image
    assert len({first.image, second.image, replaced.image}) == 3
    assert image(session, first.image) == content, "an older job may still take it"
    names = zipfile.ZipFile(io.BytesIO(image(session, second.image))).namelist()
    assert names == ["more.py", WRAPPER]


def test_a_definition_counts_as_content(session: Session, made: Callable[..., Path]) -> None:
    folder = made("redefined")
    deploy(session, appfolder.read(folder))
    change(folder, description="another")
    with pytest.raises(CheckFailed):
        deploy(session, appfolder.read(folder))
    deploy(session, appfolder.read(folder), replace=True)
    assert registered(session, "redefined")["description"] == "another"
    assert deploy(session, appfolder.read(folder)).state == "unchanged"


def test_a_lost_answer_is_made_good_by_another_try(
    served: Served, session: Session, made: Callable[..., Path]
) -> None:
    app = appfolder.read(made("lost"))
    served.service.faults.use([Fault(kind="lost", where="POST /v3/apps$", left=1)])
    with pytest.raises(AnswerLost):
        deploy(session, app)
    served.service.faults.use([])
    assert deploy(session, app).state == "unchanged"


def test_where_the_archive_goes(session: Session, made: Callable[..., Path]) -> None:
    folder = made("places")
    usual = deploy(session, appfolder.read(folder)).image
    assert usual.startswith("tapis://storage/ann/weft/apps/places-1.0-")
    chosen = deploy(session, appfolder.read(folder), version="2", system="local", path="ann/my apps").image
    assert chosen.startswith("tapis://local/ann/my apps/places-2-")
    system = deploy(session, appfolder.read(folder), version="3", system="local").image
    assert system.startswith("tapis://local/ann/weft-apps/places-3-")
    assert all(image(session, each) for each in (usual, chosen, system))


def test_others_use_what_is_shared(session_of: Callable[[str], Session], made: Callable[..., Path]) -> None:
    """Its owner owns the storage, too; otherwise nobody could be let read the archive."""
    app = appfolder.read(made("shared"))
    weft, bob = session_of("weft"), session_of("bob")
    assert deploy(weft, app).archive_shared is False
    with pytest.raises(Rejected):
        registered(bob, "shared")
    assert deploy(weft, app, share=["bob"]).archive_shared
    job = submitted(bob, "shared", "python", "x.py", "print('mine')\n")
    assert (job["status"], job["owner"]) == ("FINISHED", "bob"), job["lastMessage"]
    assert job["archiveSystemDir"].startswith("/bob/"), "not the directory of the app's owner"


def test_public_apps(session_of: Callable[[str], Session], made: Callable[..., Path]) -> None:
    weft, bob = session_of("weft"), session_of("bob")
    done = deploy(weft, appfolder.read(made("public")), public=True)
    assert done.public and done.archive_shared
    assert registered(bob, "public")["isPublic"] is True
    assert submitted(bob, "public", "python", "x.py", "print('mine')\n")["status"] == "FINISHED"


def test_an_id_of_another_user(
    session: Session, session_of: Callable[[str], Session], made: Callable[..., Path]
) -> None:
    folder, bob = made("taken"), session_of("bob")
    done = deploy(session, appfolder.read(folder), share=["bob"])
    assert done.shared == ("bob",) and not done.archive_shared, "the storage is not hers"
    change(folder, description="mine")
    with pytest.raises(CheckFailed):
        deploy(bob, appfolder.read(folder))
    with pytest.raises(Rejected):
        deploy(bob, appfolder.read(folder), version="2.0")


def test_the_system_is_asked_too(session: Session, made: Callable[..., Path]) -> None:
    folder = made("limits", batch=True)
    attributes = json.loads((folder / DEFINITION).read_text())["jobAttributes"]
    change(folder, jobAttributes={**attributes, "maxMinutes": 10_000})
    found = check(session, appfolder.read(folder))
    assert [(each.level, each.rule) for each in found] == [(Level.ERROR, "system")]
    change(folder, jobAttributes={**attributes, "execSystemId": "nowhere"})
    found = check(session, appfolder.read(folder))
    assert [(each.level, each.rule) for each in found] == [(Level.WARNING, "system")]
    (folder / DEFINITION).write_text("{")
    assert [each.rule for each in check(session, appfolder.read(folder))] == ["not-json"]
    with pytest.raises(WeftError, match="not JSON"):
        deploy(session, appfolder.read(folder))


# The archive


def test_the_archive_is_the_same_bytes_wherever_it_is_made(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made("same", "shell")
    (folder / "lib").mkdir()
    (folder / "lib" / "tool").write_text("#!/bin/sh\n")
    (folder / "lib" / "tool").chmod(0o700)
    (folder / "data.txt").write_text("1\n")
    first = appfolder.archive(appfolder.read(folder))
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    for path in copy.rglob("*"):
        os.utime(path, (1.5e9, 1.5e9))
    (copy / "data.txt").chmod(0o600)
    for name in ("__pycache__", ".git"):
        (copy / name).mkdir()
        (copy / name / "x.pyc").write_text("x")
    (copy / "README").write_text("about it")
    (copy / f"{WRAPPER}~").write_text("before")
    assert appfolder.archive(appfolder.read(copy)) == first
    with zipfile.ZipFile(io.BytesIO(first)) as packed:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in packed.infolist()}
        assert packed.namelist() == sorted(modes)
    assert modes == {"data.txt": 0o644, "lib/tool": 0o755, WRAPPER: 0o755}


def test_a_wrapper_is_executable_in_the_archive_whatever_it_is_here(made: Callable[..., Path]) -> None:
    folder = made("modes")
    (folder / WRAPPER).chmod(0o644)
    with zipfile.ZipFile(io.BytesIO(appfolder.archive(appfolder.read(folder)))) as packed:
        assert packed.getinfo(WRAPPER).external_attr >> 16 & 0o777 == 0o755


def test_what_is_no_app(tmp_path: Path, made: Callable[..., Path]) -> None:
    with pytest.raises(WeftError, match="no such folder"):
        appfolder.read(tmp_path / "none")
    with pytest.raises(WeftError, match=r"no app\.json"):
        appfolder.read(tmp_path)
    folder = made("bare")
    (folder / WRAPPER).unlink()
    with pytest.raises(WeftError, match="tapisjob_app"):
        appfolder.archive(appfolder.read(folder))


def test_an_archive_may_not_be_too_large(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made("large")
    (folder / "data").write_bytes(bytes(10_000))
    monkeypatch.setattr(appfolder, "MOST_BYTES", 10_000)
    with pytest.raises(WeftError, match="each job would transfer it"):
        appfolder.archive(appfolder.read(folder))
    (folder / "data").unlink()
    assert appfolder.archive(appfolder.read(folder))
    (folder / DEFINITION).write_bytes(bytes(1_000_001))
    with pytest.raises(WeftError, match="too large"):
        appfolder.read(folder)
