"""What is looked at before anything is uploaded, against a real service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.service.conftest import Served
from tests.tapis.defined import definition, without_nulls

from weft.errors import BackendError, CheckFailed, NotLoggedIn, UsageError, WeftError
from weft.service.faults import Fault
from weft.tapis.catalogue import apps, find_app, ids
from weft.tapis.preflight import Ready, Wants, ready
from weft.tapis.session import Session

ELSEWHERE = "vm.example.org"
"""A host that the service does not take for this machine, so that one has to log in there."""
PYTHON = Wants(app="python", storage="storage")


def failed(session: Session, **wants: Any) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        ready(session, Wants(**{"app": "python", **wants}))
    assert caught.value.exit_code == 5 and caught.value.where
    return caught.value


def make_system(session: Session, name: str, folder: Path | None = None, **other: Any) -> None:
    told = without_nulls(definition("system-vm")) | {"id": name}
    here = {"host": "localhost", "rootDir": str(folder)} if folder else {}
    session.call("systems.createSystem", **{**told, **here, **other})


def make_app(session: Session, name: str, **other: Any) -> None:
    told = without_nulls(definition("app-python")) | {"id": name, "owner": session.user}
    told["jobAttributes"] |= {"execSystemId": "local", "execSystemLogicalQueue": "normal"}
    session.call("apps.createAppVersion", **{**told, **other})


def test_all_is_there(session: Session) -> None:
    found = ready(session, PYTHON)
    assert (found.app.id, found.app.version, found.family.id) == ("python", "1.0", "python")
    assert (found.system.id, found.storage.id, found.job_type, found.queue) == (
        "local",
        "storage",
        "FORK",
        None,
    )
    assert found.max_jobs is None and found.usual.cores == 1
    batch = ready(session, msgspec.structs.replace(PYTHON, version="1.0", type="BATCH", queue="development"))
    assert batch.queue is not None and (batch.queue.name, batch.max_jobs) == ("development", 3)
    assert ready(session, Wants(app="python", type="BATCH")).storage == batch.system


def test_what_was_learnt_can_be_kept(session: Session) -> None:
    found = ready(session, msgspec.structs.replace(PYTHON, type="BATCH"))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Ready) == found


def test_apps(session: Session) -> None:
    unknown = failed(session, app="pyton")
    assert unknown.where == "tapis.app" and "did you mean `python`?" in unknown.hint
    version = failed(session, version="9")
    assert version.where == "tapis.version" and "its latest is 1.0" in version.hint
    assert failed(session, app="nonsense", version="1").where == "tapis.app"
    with pytest.raises(WeftError, match="no slot for a script"):
        ready(session, Wants(app="hello"))
    with pytest.raises(UsageError, match="no such key"):
        ready(session, Wants(app="hello", family={"skript": "Greeting"}))


def test_an_app_that_is_switched_off(session: Session) -> None:
    make_app(session, "switched-off")
    assert find_app(session, "switched-off").enabled
    session.call("apps.disableApp", appId="switched-off")
    off = failed(session, app="switched-off")
    assert off.where == "tapis.app" and "switched off" in off.what


def test_systems(session: Session, tmp_path: Path) -> None:
    unknown = failed(session, system="lokal")
    assert unknown.where == "tapis.system" and "did you mean `local`?" in unknown.hint
    files = failed(session, system="storage")
    assert files.where == "tapis.system" and "no job can run there" in files.what and "local" in files.hint
    make_system(session, "off-system", tmp_path)
    session.call("systems.disableSystem", systemId="off-system")
    off = failed(session, system="off-system")
    assert off.where == "tapis.system" and "switched off" in off.what
    make_app(
        session, "nowhere", jobAttributes={**definition("app-python")["jobAttributes"], "execSystemId": None}
    )
    assert "names no execution system" in failed(session, app="nowhere").what


def test_storage(session: Session) -> None:
    unknown = failed(session, storage="storrage")
    assert unknown.where == "tapis.storage" and "did you mean `storage`?" in unknown.hint


def test_queues(session: Session, tmp_path: Path) -> None:
    unknown = failed(session, type="BATCH", queue="developement")
    assert unknown.where == "tapis.queue" and "did you mean `development`?" in unknown.hint
    fork = failed(session, queue="normal")
    assert fork.where == "tapis.queue" and 'type = "BATCH"' in fork.hint
    make_system(session, "no-batch", tmp_path)
    assert failed(session, system="no-batch", type="BATCH").where == "tapis.type"


def test_who_pays(session: Session) -> None:
    needs = {"type": "BATCH", "family": {"needs_allocation": True}}
    assert ready(session, Wants(app="python", **needs)).queue  # the system's notes say that nobody pays here
    make_system_that_costs(session)
    missing = failed(session, system="costs", **needs)
    assert missing.where == "tapis.allocation" and "pays" in missing.what
    assert (
        ready(session, Wants(app="python", system="costs", allocation="ABC-1", **needs)).system.id == "costs"
    )


def make_system_that_costs(session: Session) -> None:
    told = without_nulls(session.call("systems.getSystem", systemId="local"))
    kept = {key: value for key, value in told.items() if key in CREATED_WITH}
    session.call("systems.createSystem", **{**kept, "id": "costs", "notes": {}})


CREATED_WITH = frozenset(
    [
        "systemType",
        "host",
        "effectiveUserId",
        "defaultAuthnMethod",
        "rootDir",
        "canExec",
        "canRunBatch",
        "jobRuntimes",
        "jobWorkingDir",
        "batchScheduler",
        "batchLogicalQueues",
        "batchDefaultLogicalQueue",
    ]
)


def test_keys_that_tapis_can_make_are_made(session: Session) -> None:
    make_system(session, "with-tms", host=ELSEWHERE, defaultAuthnMethod="TMS_KEYS")
    who = {"systemId": "with-tms", "userName": session.user}
    with pytest.raises(WeftError):
        session.call("systems.checkUserCredential", **who)
    assert ready(session, Wants(app="python", system="with-tms", type="FORK")).system.id == "with-tms"
    session.call("systems.checkUserCredential", **who)


@pytest.mark.parametrize(("method", "hint"), [("PASSWORD", "password=..."), ("TOKEN", "in the portal")])
def test_other_keys_are_asked_for(session: Session, method: str, hint: str) -> None:
    name = f"with-{method.lower()}"
    make_system(session, name, host=ELSEWHERE, defaultAuthnMethod=method)
    missing = failed(session, system=name)
    assert missing.where == "tapis.system" and "no way to log in" in missing.what and hint in missing.hint
    assert failed(session, storage=name).where == "tapis.storage"


def test_where_all_act_as_one_user_credentials_are_the_owners_matter(session: Session) -> None:
    other = {"defaultAuthnMethod": "PASSWORD", "effectiveUserId": "service-user"}
    make_system(session, "as-one", host=ELSEWHERE, **other)
    assert ready(session, Wants(app="python", system="as-one")).system.effective_user == "service-user"


def test_bad_weather_is_not_a_failed_check(session: Session, served: Served) -> None:
    for name in ("apps", "systems"):
        served.service.faults.use([Fault(kind="status", status=503, where=f"/v3/{name}/")])
        with pytest.raises(BackendError):
            ready(session, PYTHON)
    served.service.faults.use([Fault(kind="token", where="/v3/systems")])
    with pytest.raises(NotLoggedIn):
        ready(session, PYTHON)


def test_lists_come_page_by_page(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [app.id for app in apps(session) if not isinstance(app, WeftError)]
    assert {"hello", "openseespy", "python", "shell-runner"} <= set(whole)
    monkeypatch.setattr("weft.tapis.catalogue.PAGE", 2)
    assert [app.id for app in apps(session) if not isinstance(app, WeftError)] == whole
    assert ids(session, "apps.getApps") == whole
    assert {"local", "storage"} <= set(ids(session, "systems.getSystems"))
