"""Outputs: where they are by how the job stands, listing and downloading, and that nothing else is reached."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.service.jobs.request import made

from weft.service.jobs import outputs
from weft.service.jobs.states import RemoteOutcome, Status
from weft.service.server import Service

Client = Callable[..., TestClient]


@pytest.fixture
def root(service: Service, client: Client, tmp_path: Path) -> Path:
    """The root of system ``exec``: outputs below ``work/o``, an archive below ``archive``, a secret beside them."""
    root = tmp_path / "root"
    for folder, text in (("work/o", "output"), ("archive", "archived"), ("archive/sub/deep", "deep")):
        (root / folder).mkdir(parents=True)
        (root / folder / "a.txt").write_text(text)
    (root / "secret.txt").write_text("secret")
    (root / "archive" / "empty").mkdir()
    definition = {
        "id": "exec",
        "systemType": "LINUX",
        "host": "localhost",
        "defaultAuthnMethod": "PKI_KEYS",
        "effectiveUserId": "${apiUserId}",
        "rootDir": str(root),
        "canExec": False,
    }
    answer = client().post("/v3/systems", json=definition)
    assert answer.status_code < 300, answer.text
    return root


def add(service: Service, **more: Any) -> str:
    job = made.job(**more)
    service.ledger.add(job, "{}")
    return job.uuid


def done(service: Service) -> str:
    return add(service, status=Status.FINISHED, remote_outcome=RemoteOutcome.FINISHED)


def listed(client: TestClient, uuid: str, path: str = "", **query: Any) -> list[str]:
    answer = client.get(f"/v3/jobs/{uuid}/output/list{path}", params=query)
    assert answer.status_code == 200, answer.text
    return [item["path"] for item in answer.json()["result"]]


WHERE = [
    (Status.FINISHED, RemoteOutcome.FINISHED, "ALWAYS", "archive"),
    (Status.FINISHED, RemoteOutcome.FINISHED, "NEVER", "work/o"),
    (Status.FAILED, RemoteOutcome.FAILED, "ALWAYS", "archive"),
    (Status.FAILED, RemoteOutcome.FAILED_SKIP_ARCHIVE, "SKIP_ON_FAIL", "work/o"),
    (Status.FAILED, None, "ALWAYS", "work/o"),
    (Status.CANCELLED, None, "ALWAYS", "work/o"),
    (Status.RUNNING, None, "ALWAYS", "work/o"),
    (Status.ARCHIVING, RemoteOutcome.FINISHED, "ALWAYS", "work/o"),
]


@pytest.mark.usefixtures("root")
def test_where_outputs_are(service: Service, client: Client) -> None:
    for status, outcome, mode, folder in WHERE:
        uuid = add(service, status=status, remote_outcome=outcome, archive_mode=mode)
        assert f"{folder}/a.txt" in listed(client(), uuid, allowIfRunning="true"), (status, outcome, mode)


@pytest.mark.usefixtures("root")
def test_a_job_that_runs_shows_its_outputs_only_when_asked_to(service: Service, client: Client) -> None:
    uuid = add(service, status=Status.RUNNING)
    for operation in ("list", "download/a.txt"):
        answer = client().get(f"/v3/jobs/{uuid}/output/{operation}")
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(
            f"JOBS_JOB_NOT_TERMINATED Job {uuid} has not terminated yet"
        )
        assert client().get(f"/v3/jobs/{uuid}/output/{operation}?allowIfRunning=true").status_code == 200


@pytest.mark.usefixtures("root")
def test_lists_are_of_all_below_or_of_a_page(service: Service, client: Client) -> None:
    uuid, speak = done(service), client()
    whole = ["archive/a.txt", "archive/empty", "archive/sub", "archive/sub/deep", "archive/sub/deep/a.txt"]
    for path in ("", "/"):
        assert sorted(listed(speak, uuid, path)) == whole
    assert sorted(listed(speak, uuid, "/sub")) == ["archive/sub/deep", "archive/sub/deep/a.txt"]
    assert listed(speak, uuid, "/sub/deep/a.txt") == ["archive/sub/deep/a.txt"]
    assert listed(speak, uuid, limit=2) == ["archive/a.txt", "archive/empty"]
    assert listed(speak, uuid, limit=2, skip=2) == ["archive/sub"]
    assert listed(speak, uuid, skip=1) == ["archive/empty", "archive/sub"]
    answer = speak.get(f"/v3/jobs/{uuid}/output/list").json()
    assert answer["message"].startswith(f"JOBS_OUTPUT_FILES_LIST_RETRIEVED Job {uuid} output files list")
    assert answer["result"][0]["url"].startswith("tapis://exec/archive/")


@pytest.mark.usefixtures("root")
def test_a_file_comes_as_it_is_and_a_folder_as_a_zip(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid, speak = done(service), client()
    path = f"/v3/jobs/{uuid}/output/download"
    answer = speak.get(f"{path}/sub/deep/a.txt")
    assert (answer.text, answer.headers["content-type"]) == ("deep", "application/octet-stream")
    assert 'filename="a.txt"' in answer.headers["content-disposition"]
    for where, names in (
        (f"{path}/sub/deep/a.txt?compress=true", {"a.txt"}),
        (f"{path}/sub", {"sub/deep/", "sub/deep/a.txt"}),
        (
            f"{path}/",
            {
                "archive/a.txt",
                "archive/empty/",
                "archive/sub/",
                "archive/sub/deep/",
                "archive/sub/deep/a.txt",
            },
        ),
        (
            path,
            {
                "archive/a.txt",
                "archive/empty/",
                "archive/sub/",
                "archive/sub/deep/",
                "archive/sub/deep/a.txt",
            },
        ),
    ):
        answer = speak.get(where)
        assert answer.headers["content-type"] == "application/octet-stream"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
            assert set(packed.namelist()) == names
    monkeypatch.setattr(outputs, "RAW_LIMIT", 3)
    assert zipfile.is_zipfile(io.BytesIO(speak.get(f"{path}/a.txt").content))
    empty = speak.get(f"{path}/empty")
    assert (empty.status_code, empty.json()["status"]) == (200, "success")
    assert speak.get(f"{path}/a.txt?format=tar").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/secret.txt",
        "../secret.txt",
        "sub/../../secret.txt",
        "..%2fsecret.txt",
        "%00",
        "a%00b",
        "x" * 300,
    ],
)
@pytest.mark.usefixtures("root")
def test_paths_stay_below_the_outputs(service: Service, client: Client, path: str) -> None:
    uuid = done(service)
    for operation in ("list", "download"):
        answer = client().get(f"/v3/jobs/{uuid}/output/{operation}/{path}")
        assert 400 <= answer.status_code < 500
        assert "secret" not in answer.text.replace("secret.txt", "")


def test_links_lead_others_to_nothing_outside_of_the_outputs(
    service: Service, client: Client, root: Path
) -> None:
    uuid = done(service)
    (root / "archive" / "link.txt").symlink_to("../secret.txt")
    (root / "archive" / "inside.txt").symlink_to("a.txt")
    body = {"grantee": "bob", "jobResource": ["JOB_OUTPUT"], "jobPermission": "READ"}
    assert client().post(f"/v3/jobs/{uuid}/share", json=body).status_code == 200
    path = f"/v3/jobs/{uuid}/output/download"
    assert client().get(f"{path}/link.txt").text == "secret"
    assert client("bob").get(f"{path}/link.txt").status_code == 403
    assert client("bob").get(f"{path}/inside.txt").text == "archived"


def test_what_is_not_there_is_not_found(service: Service, client: Client, root: Path) -> None:
    uuid = done(service)
    for operation in ("list", "download"):
        assert client().get(f"/v3/jobs/{uuid}/output/{operation}/nothing").status_code == 404
    elsewhere = add(service, status=Status.FINISHED, archive_system_id="gone")
    assert client().get(f"/v3/jobs/{elsewhere}/output/list").status_code == 404
    never = add(service, status=Status.CANCELLED, exec_system_output_dir="/never/made")
    assert client().get(f"/v3/jobs/{never}/output/list").status_code == 404
