"""Systems with a dynamic effective user, divided among their users by the names of folders."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.service.files.conftest import Caller
from tests.service.private import ended

from weft.service.server import Service

SECRET = b"of ann"


@pytest.fixture
def root(service: Service, client: Callable[..., TestClient]) -> Path:
    """The root of the public system ``storage``, where ann, bob and nobody have files."""
    ann, bob, owner = (Caller(client(user)) for user in ("ann", "bob", "weft"))
    ann("POST", "ops/storage/ann/deep/secret.txt", files={"file": SECRET})
    ann("POST", "ops/storage/projects/one/ann/secret.txt", files={"file": SECRET})
    bob("POST", "ops/storage/bob/own.txt", files={"file": b"of bob"})
    owner("POST", "ops/storage/projects/plan.txt", files={"file": b"of all"})
    return service.folder / "storage"


@pytest.fixture
def bob(client: Callable[..., TestClient]) -> Caller:
    return Caller(client("bob"))


@pytest.mark.parametrize(
    ("path", "read", "write"),
    [
        ("bob/own.txt", 200, 200),
        ("bob/ann/new.txt", 404, 200),
        ("jobs/bob/new.txt", 404, 200),
        ("work/00000/bob/new.txt", 404, 200),
        ("one/two/three/bob/new.txt", 404, 403),
        ("projects/plan.txt", 200, 403),
        ("new.txt", 404, 403),
        ("ann/deep/secret.txt", 403, 403),
        ("ann/none.txt", 403, 403),
        ("ann/bob/new.txt", 403, 403),
        ("//ann/./deep//secret.txt", 403, 403),
        ("projects/one/ann/secret.txt", 403, 403),
        ("a/b/c/ann/new.txt", 404, 403),
    ],
)
def test_whose_a_path_is(root: Path, bob: Caller, path: str, read: int, write: int) -> None:
    assert bob.raw("GET", f"content/storage/{path}").status_code == read
    assert bob.raw("POST", f"ops/storage/{path}", files={"file": b"x"}).status_code == write
    assert bob.raw("DELETE", f"ops/storage/{path}").status_code == write


def test_the_owner_of_the_system_may_do_all(root: Path, client: Callable[..., TestClient]) -> None:
    owner = Caller(client("weft"))
    assert owner("GET", "content/storage/ann/deep/secret.txt") == SECRET
    owner("DELETE", "ops/storage/projects")


def test_nothing_of_another_is_found_from_above(root: Path, bob: Caller) -> None:
    listed = {each["path"] for each in bob("GET", "ops/storage/?recurse=true")}
    assert {"ann", "bob/own.txt", "projects/plan.txt", "projects/one/ann"} <= listed
    assert not any("secret" in path or "deep" in path for path in listed)
    for folder in ("", "projects"):
        with zipfile.ZipFile(io.BytesIO(bob("GET", f"content/storage/{folder}?zip=true"))) as packed:
            assert not any("secret" in name for name in packed.namelist())
            assert any("plan.txt" in name for name in packed.namelist())
    bob("PUT", "ops/storage/projects", json={"operation": "COPY", "newPath": "bob/copied"})
    assert [path.name for path in (root / "bob/copied").rglob("*.txt")] == ["plan.txt"]
    for body in ({"operation": "MOVE", "newPath": "bob/moved"}, {"operation": "MOVE", "newPath": "bob"}):
        bob("PUT", "ops/storage/projects", 403, json=body)
    bob("PUT", "ops/storage/bob/own.txt", 403, json={"operation": "MOVE", "newPath": "projects"})
    bob("DELETE", "ops/storage/projects", 403)
    mode = {"operation": "CHMOD", "argument": "777"}
    bob("POST", "utils/linux/storage/projects?recursive=true", 403, json=mode)


def test_links_lead_nowhere_else(root: Path, bob: Caller) -> None:
    for name, target in (
        ("up", ".."),
        ("theirs", "../ann"),
        ("secret", "../ann/deep/secret.txt"),
        ("back", "../ann/deep/../../bob/own.txt"),
        ("common", "../projects"),
    ):
        (root / "bob" / name).symlink_to(target)
    for path in ("up/ann", "theirs/deep", "secret", "theirs/none", "up/ann/none", "back"):
        bob("GET", f"ops/storage/bob/{path}", 403)
        bob("GET", f"content/storage/bob/{path}?zip=true", 403)
        bob("POST", f"ops/storage/bob/{path}", 403, files={"file": b"x"})
    assert bob("GET", "content/storage/bob/common/plan.txt") == b"of all"
    bob("POST", "ops/storage/bob/common/made/deeper/new.txt", 403, files={"file": b"x"})
    bob("POST", "ops/storage", 403, json={"path": "bob/common/made/deeper"})
    mode = {"operation": "CHMOD", "argument": "777"}
    bob("POST", "utils/linux/storage/bob/up?recursive=true", 403, json=mode)
    assert not (root / "projects/made").exists()
    assert b"secret.txt" not in bob("GET", "content/storage/bob?zip=true")
    bob("DELETE", "ops/storage/bob")
    assert (root / "ann/deep/secret.txt").read_bytes() == SECRET


def test_grants_and_shares_add_rights(root: Path, bob: Caller, client: Callable[..., TestClient]) -> None:
    owner = Caller(client("weft"))
    owner("POST", "share/storage/ann/deep", json={"users": ["bob"]})
    assert bob("GET", "content/storage/ann/deep/secret.txt") == SECRET
    bob("GET", "ops/storage/ann", 403)
    bob("POST", "ops/storage/ann/deep/new", 403, files={"file": b"x"})
    owner("POST", "permissions/storage/projects", json={"username": "bob", "permission": "MODIFY"})
    bob("POST", "ops/storage/projects/new/file", files={"file": b"x"})
    bob("POST", "ops/storage/elsewhere/new", 403, files={"file": b"x"})


def submitted(client: TestClient, **more: Any) -> tuple[dict[str, Any], str]:
    """A job that has ended, and its status."""
    body = {"name": "divided", "appId": "hello", "appVersion": "1.0", **more}
    job = client.post("/v3/jobs/submit", json=body).json()["result"]
    return job, ended(client, job["uuid"])


def inputs(source: str) -> dict[str, Any]:
    """What makes of a request one with an input."""
    return {
        "appId": "shell-runner",
        "fileInputs": [{"name": "Input Directory", "sourceUrl": f"tapis://{source}"}],
        "parameterSet": {"appArgs": [{"name": "Shell command", "arg": "'ls -R'"}]},
    }


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "FINISHED"),
        ({"archiveSystemId": "storage"}, "FINISHED"),  # by default in a folder that bears the job's uuid
        ({"archiveSystemId": "storage", "archiveSystemDir": "${JobOwner}/archive/${JobUUID}"}, "FINISHED"),
        ({"execSystemExecDir": "/bob/run", "execSystemOutputDir": "/bob/out"}, "FINISHED"),
        ({"archiveSystemId": "storage", "archiveSystemDir": "ann/deep"}, "FAILED"),
        ({"archiveSystemId": "storage", "archiveSystemDir": "projects"}, "FAILED"),
        ({"execSystemExecDir": "/jobs/ann/run"}, "FAILED"),
        ({"execSystemInputDir": "/jobs/ann/run"}, "FAILED"),
        ({"execSystemOutputDir": "/jobs/ann"}, "FAILED"),
        (inputs("storage/ann/deep"), "FAILED"),
        (inputs("storage/bob"), "FINISHED"),
        (inputs("storage/projects"), "FINISHED"),
    ],
)
def test_jobs_obey_the_same(
    root: Path, service: Service, client: Callable[..., TestClient], more: dict[str, Any], status: str
) -> None:
    anns, _ = submitted(client("ann"))
    lying = sorted(service.folder.glob("*/**/ann/**/*"))
    job, found = submitted(client("bob"), **more)
    assert found == status
    outputs = client("bob").get(f"/v3/jobs/{job['uuid']}/output/list/")
    assert anns["uuid"] not in outputs.text
    assert b"secret" not in outputs.content
    assert sorted(service.folder.glob("*/**/ann/**/*")) == lying
    assert not any(SECRET in path.read_bytes() for path in (service.folder / "local").rglob("*.txt"))


def test_images_of_another_are_not_run(
    root: Path, service: Service, client: Callable[..., TestClient]
) -> None:
    ann, bob = client("ann"), client("bob")
    hello = next((service.folder / "storage/apps").glob("hello*")).read_bytes()
    assert ann.post("/v3/files/ops/local/ann/app.zip", files={"file": hello}).is_success
    for version, image in (("1", "/ann/app.zip"), ("2", "tapis://local/ann/app.zip")):
        app = {
            "id": "taken",
            "version": version,
            "runtime": "ZIP",
            "containerImage": image,
            "jobType": "FORK",
        }
        assert bob.post("/v3/apps", json={**app, "jobAttributes": {"execSystemId": "local"}}).is_success
        assert submitted(bob, appId="taken", appVersion=version)[1] == "FAILED"


def test_an_archive_on_anothers_system_shows_nothing(
    service: Service, client: Callable[..., TestClient], tmp_path: Path
) -> None:
    """One may read the definition of a system, and not its files: a job that ends there opens no window."""
    ann, bob = Caller(client("ann")), client("bob")
    body = {
        "id": "anns",
        "systemType": "LINUX",
        "host": "localhost",
        "defaultAuthnMethod": "PKI_KEYS",
        "effectiveUserId": "ann",
        "rootDir": str(tmp_path / "anns"),
        "canExec": False,
    }
    assert client("ann").post("/v3/systems", json=body).is_success
    ann("POST", "ops/anns/private/secret.txt", files={"file": SECRET})
    assert client("ann").post("/v3/systems/perms/anns/user/bob", json={"permissions": ["READ"]}).is_success
    job, status = submitted(bob, archiveSystemId="anns", archiveSystemDir="/private")
    assert status == "FAILED"
    for path in ("list/", "download/", "download/secret.txt"):
        answer = bob.get(f"/v3/jobs/{job['uuid']}/output/{path}")
        assert answer.status_code == 403
        assert SECRET not in answer.content
