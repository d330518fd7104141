"""Everything that a user can have in a service, each thing with a mark inside, and how it all looks to that user."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from weft.service.server import Service

MARK = "m4rk-of-ann-7c1e"
"""Stands in the content of all that is ann's, and in no id."""
ENDS = ("FINISHED", "FAILED", "CANCELLED")
_MOVING = ("lastUpdated", "remoteLastStatusCheck", "remoteChecksSuccess", "timesUsed")
"""What changes by itself while a job runs, or when somebody redeems a postit."""
_EVENT = "JOB_USER_EVENT"
"""Events that any user of a tenant may send to a job whose uuid is known."""


def image(script: str) -> bytes:
    """The archive of a ZIP app."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("tapisjob_app.sh", f"#!/bin/sh\n{script}\n")
    return content.getvalue()


def system(name: str, root: Path, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "systemType": "LINUX",
        "host": "localhost",
        "defaultAuthnMethod": "PKI_KEYS",
        "effectiveUserId": "${apiUserId}",
        "rootDir": str(root),
        "canExec": True,
        "canRunBatch": False,
        "jobWorkingDir": "/jobs/${JobOwner}/${JobUUID}",
        "jobRuntimes": [{"runtimeType": "ZIP"}],
        **more,
    }


class Owner:
    """A user who makes things; ``ids`` says what they are called, ``roots`` are folders with files of them."""

    def __init__(self, service: Service, speaker: TestClient, folder: Path) -> None:
        self.speaker = speaker
        self.folder = folder
        self.ids: dict[str, list[str]] = {}
        self.roots = [folder / "ann", service.folder / "storage" / "ann", service.folder / "local/jobs/ann"]
        self._systems()
        self._files()
        self._app()
        self._jobs()
        self._odds()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        answer = self.speaker.request(method, f"/v3/{path}", **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return (
            answer.json()["result"]
            if answer.headers["content-type"] == "application/json"
            else answer.content
        )

    def _systems(self) -> None:
        told = {"description": f"of {MARK}", "tags": [MARK], "notes": {"a": MARK}}
        root = self.folder / "ann"
        for body in (
            system("ann-private", root / "private", effectiveUserId="ann", allowChildren=True, **told),
            system("ann-cluster", root / "cluster", **told),
        ):
            self.ask("POST", "systems", json=body)
            name = body["id"]
            keys = {"privateKey": MARK, "publicKey": MARK}
            self.ask("POST", f"systems/credential/{name}/user/ann?skipCredentialCheck=true", json=keys)
            self.ask("POST", f"systems/perms/{name}/user/cat", json={"permissions": ["READ"]})
            self.ask("POST", f"systems/share/{name}", json={"users": ["cat"]})
            self.ask("PATCH", f"systems/{name}", json={"description": f"now of {MARK}"})
        child = {"id": "ann-child", "effectiveUserId": "ann", "rootDir": str(root / "child")}
        self.ask("POST", "systems/ann-private/createChildSystem", json=child)
        self.ids["system"] = ["ann-private", "ann-cluster"]
        self.ids["child"] = ["ann-child"]

    def _files(self) -> None:
        for place in ("ann-private", "ann-cluster", "ann-child", "storage/ann"):
            for name in ("secret.txt", f"{MARK}/deep.txt"):
                self.ask("POST", f"files/ops/{place}/{name}", files={"file": MARK.encode()})
            self.ask("POST", f"files/ops/{place}/app.zip", files={"file": image(f"echo {MARK}")})
        grant = {"username": "cat", "permission": "MODIFY"}
        self.ask("POST", "files/permissions/ann-private/secret.txt", json=grant)
        self.ask("POST", "files/share/ann-private/secret.txt", json={"users": ["cat"]})
        self.ids["file"] = ["ann/secret.txt", "ann/app.zip"]

    def _app(self) -> None:
        attributes = {
            "description": MARK,
            "execSystemId": "ann-cluster",
            "archiveSystemId": "ann-private",
            "archiveSystemDir": "archive/${JobUUID}",
            "fileInputs": [
                {"name": "secret", "sourceUrl": "tapis://ann-private/secret.txt", "targetPath": "in"}
            ],
            "parameterSet": {"envVariables": [{"key": "SECRET", "value": MARK}]},
        }
        body = {
            "id": "ann-app",
            "version": "1.0",
            "description": f"of {MARK}",
            "runtime": "ZIP",
            "containerImage": "tapis://ann-private/app.zip",
            "jobType": "FORK",
            "tags": [MARK],
            "notes": {"a": MARK},
            "jobAttributes": attributes,
        }
        self.ask("POST", "apps", json=body)
        self.ask("POST", "apps/perms/ann-app/user/cat", json={"permissions": ["READ"]})
        self.ask("POST", "apps/share/ann-app", json={"users": ["cat"]})
        self.ask("PATCH", "apps/ann-app/1.0", json={"description": f"now of {MARK}"})
        self.ids["app"] = ["ann-app"]

    def submit(self, **body: Any) -> str:
        return str(self.ask("POST", "jobs/submit", json={"name": MARK, "tags": [MARK], **body})["uuid"])

    def shell(self, line: str) -> str:
        given = {
            "appArgs": [{"name": "Shell command", "arg": f"'{line}'"}],
            "envVariables": [{"key": "SECRET", "value": MARK}],
        }
        return self.submit(appId="shell-runner", appVersion="1.0", parameterSet=given)

    def _jobs(self) -> None:
        done = self.submit(appId="ann-app", appVersion="1.0")
        shell, hidden = self.shell(f"echo {MARK}"), self.shell(f"echo {MARK}")
        running = self.shell("sleep 300")
        for job in (done, shell, hidden):
            ended(self.speaker, job, "FINISHED")
        ended(self.speaker, running, "RUNNING")
        self.ask("POST", f"jobs/{hidden}/hide")
        share = {"grantee": "cat", "jobResource": ["JOB_HISTORY", "JOB_OUTPUT"], "jobPermission": "READ"}
        for job in (done, shell):
            self.ask("POST", f"jobs/{job}/share", json=share)
            self.ask("PATCH", f"jobs/{job}/annotations", json={"notes": {"a": MARK}, "tags": [MARK]})
        target = {"deliveryMethod": "WEBHOOK", "deliveryAddress": f"http://127.0.0.1:9/{MARK}"}
        watch = {"description": MARK, "eventCategoryFilter": "ALL", "deliveryTargets": [target]}
        self.ask("POST", f"jobs/subscribe/{running}", json=watch)
        found = self.ask("GET", f"jobs/subscribe/{running}")
        self.ids["job"] = [done, shell, hidden, running]
        self.ids["subscription"] = [each["uuid"] for each in found]
        self.ids["running"] = [running]

    def _odds(self) -> None:
        element = {
            "sourceURI": f"tapis://ann-private/{MARK}/deep.txt",
            "destinationURI": f"tapis://storage/ann/{MARK}.txt",
        }
        task = self.ask("POST", "files/transfers", json={"tag": MARK, "elements": [element]})["uuid"]
        _until(lambda: self.ask("GET", f"files/transfers/{task}")["status"] == "COMPLETED")
        postits = [
            self.ask("POST", f"files/postits/{place}", json={"allowedUses": 5})["id"]
            for place in (f"ann-private/{MARK}/deep.txt", f"storage/ann/{MARK}/deep.txt")
        ]
        client = {"client_id": "ann-client", "description": MARK, "display_name": MARK}
        self.ask("POST", "oauth2/clients", json=client)
        loads = [{"moduleLoadCommand": "module load", "modulesToLoad": ["hdf5"]}]
        self.ask("POST", "systems/schedulerProfile", json={"name": "ann-profile", "moduleLoads": loads})
        self.ids |= {"task": [task], "postit": postits, "client": ["ann-client"], "profile": ["ann-profile"]}

    # How it looks

    def view(self) -> dict[str, Any]:
        """All that the owner sees, and the files as they lie."""
        return {path: self._seen(path) for path in self._paths()} | dict(self._lying())

    def _paths(self) -> Iterator[str]:
        yield from ("systems?listType=MINE&select=allAttributes", "apps?listType=MINE&select=allAttributes")
        for name in (*self.ids["system"], *self.ids["child"]):
            for part in ("systems/{}", "systems/{}/history", "systems/share/{}", "systems/perms/{}/user/cat"):
                yield part.format(name)
            yield f"systems/{name}/isEnabled"
            yield f"systems/credential/{name}/user/ann"
            yield f"systems/perms/{name}/user/bob"
        yield from ("apps/ann-app", "apps/ann-app/1.0", "apps/ann-app/history", "apps/share/ann-app")
        for user in ("cat", "bob"):
            yield f"apps/perms/ann-app/user/{user}"
            yield f"files/permissions/ann-private/secret.txt?username={user}"
        yield "files/share/ann-private/secret.txt"
        yield from ("files/transfers", "files/postits?select=allAttributes", "oauth2/clients")
        yield "systems/schedulerProfile/ann-profile"
        yield from (f"files/transfers/{task}/details" for task in self.ids["task"])
        yield "jobs/list?limit=1000&select=allAttributes&listType=ALL_JOBS&orderBy=created"
        for job in self.ids["job"]:
            for part in ("", "/history", "/resubmit_request", "/share"):
                yield f"jobs/{job}{part}"
            yield f"jobs/{job}/output/list/?allowIfRunning=true"
            yield f"jobs/subscribe/{job}"

    def _seen(self, path: str) -> Any:
        answer = self.speaker.get(f"/v3/{path}")
        return answer.status_code, _settled(answer.json()["result"])

    def _lying(self) -> Iterator[tuple[str, Any]]:
        for root in self.roots:
            for path in [root, *sorted(root.rglob("*"))]:
                facts = path.lstat()
                yield str(path), (facts.st_mode, path.read_bytes() if path.is_file() else b"")


def _settled(result: Any) -> Any:
    if isinstance(result, dict):
        return {key: _settled(value) for key, value in result.items() if key not in _MOVING}
    if isinstance(result, list):
        return [_settled(each) for each in result if _EVENT not in str(each)]
    return result


def ended(speaker: TestClient, job: str, *wanted: str) -> str:
    """Wait until a job has one of these statuses, or has ended; which one it is."""

    def status() -> str:
        return str(speaker.get(f"/v3/jobs/{job}/status").json()["result"]["status"])

    _until(lambda: status() in {*ENDS, *wanted})
    found = status()
    told = speaker.get(f"/v3/jobs/{job}").json()["result"]["lastMessage"]
    assert not wanted or found in wanted, f"{found}: {told}"
    return found


def _until(true: Any) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
