"""What the tests of single operations start from: a world of a user's own objects, made through the API alone.

Every method makes a new object and returns its id, so that what one request deletes is missed by no other; only jobs,
which take their time, are shared.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import requests
from tests.service.official import Watch, watch

USER, OTHER = "ann", "bob"
SCRIPT = """\
#!/bin/sh
echo hello
[ "$WAIT" = yes ] && sleep 300
exit 0
"""
"""The app of all jobs here: what a generated request gives it as arguments, it ignores."""
PATIENCE = 30.0
ENDED = ("FINISHED", "FAILED", "CANCELLED", "COMPLETED", "FAILED_OPT")
_NUMBERS = count()


class Served(Protocol):
    """A running service, as the fixture ``served`` gives it."""

    @property
    def url(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    def token(self, user: str) -> str: ...


class World:
    """Objects of ``USER``; every answer on the way is judged by ``watch``."""

    def __init__(self, served: Served) -> None:
        self.url = served.url
        self.root = served.folder.parent / "root of the seeds"
        self.root.mkdir(exist_ok=True)
        self.session = requests.Session()
        self.session.headers["X-Tapis-Token"] = served.token(USER)
        self._endless = False
        self._served = served
        self.watch: Watch = watch(self.session)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The result of a request that must succeed."""
        answer = self.session.request(method, f"{self.url}{path}", timeout=PATIENCE, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["result"]

    def spare_token(self) -> str:
        """Another token of the same user, to be revoked."""
        return self._served.token(USER)

    def name(self) -> str:
        return f"seed-{next(_NUMBERS)}"

    def system_body(self, **more: Any) -> dict[str, Any]:
        name = self.name()
        return {
            "id": name,
            "systemType": "LINUX",
            "host": "localhost",
            "defaultAuthnMethod": "PKI_KEYS",
            "effectiveUserId": USER,
            "rootDir": str(self.root),
            "canExec": True,
            "canRunBatch": False,
            "jobWorkingDir": "jobs/${JobUUID}",
            "jobRuntimes": [{"runtimeType": "ZIP"}],
            **more,
        }

    def system(self, **more: Any) -> str:
        body = self.system_body(**more)
        self.ask("POST", "/v3/systems?skipCredentialCheck=true", json=body)
        return str(body["id"])

    def child(self, parent: str) -> str:
        body = {"id": self.name(), "effectiveUserId": USER, "rootDir": str(self.root)}
        self.ask("POST", f"/v3/systems/{parent}/createChildSystem", json=body)
        return body["id"]

    def profile(self) -> str:
        name = self.name()
        loads = [{"moduleLoadCommand": "module load", "modulesToLoad": ["hdf5"]}]
        self.ask("POST", "/v3/systems/schedulerProfile", json={"name": name, "moduleLoads": loads})
        return name

    @cached_property
    def place(self) -> str:
        """The system of all files and jobs."""
        return self.system()

    def file(self, name: str = "") -> str:
        path = f"data/{name or self.name()}.txt"
        self.ask("POST", f"/v3/files/ops/{self.place}/{path}", files={"file": ("x", b"some text\n" * 100)})
        return path

    def transfer(self) -> str:
        elements = [{"sourceURI": self.uri(self.file()), "destinationURI": self.uri(f"copies/{self.name()}")}]
        uuid = str(
            self.ask("POST", "/v3/files/transfers", json={"tag": "seed", "elements": elements})["uuid"]
        )
        self._wait(f"/v3/files/transfers/{uuid}", ["COMPLETED"])
        return uuid

    def uri(self, path: str) -> str:
        return f"tapis://{self.place}/{path}"

    def postit(self) -> str:
        body = {"allowedUses": -1, "validSeconds": 600}
        return str(self.ask("POST", f"/v3/files/postits/{self.place}/{self.file()}", json=body)["postitId"])

    def client(self) -> str:
        return str(self.ask("POST", "/v3/oauth2/clients", json={"client_id": self.name()})["client_id"])

    def app_body(self, **more: Any) -> dict[str, Any]:
        return {
            "id": self.name(),
            "version": "1.0",
            "runtime": "ZIP",
            "containerImage": "/images/none.zip",
            "jobType": "FORK",
            "jobAttributes": {"execSystemId": "some-system", "maxMinutes": 10},
            **more,
        }

    def app(self, **more: Any) -> str:
        body = self.app_body(**more)
        self.ask("POST", "/v3/apps", json=body)
        return str(body["id"])

    @cached_property
    def hello(self) -> str:
        """The app of all jobs."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("tapisjob_app.sh", SCRIPT)
        self.ask("POST", f"/v3/files/ops/{self.place}/image.zip", files={"file": ("x", content.getvalue())})
        attributes = {"execSystemId": self.place, "archiveSystemId": self.place, "maxMinutes": 10}
        return self.app(containerImage=self.uri("image.zip"), jobAttributes=attributes)

    def job_body(self, **more: Any) -> dict[str, Any]:
        return {"name": self.name(), "appId": self.hello, "appVersion": "1.0", **more}

    def job(self, **more: Any) -> str:
        return str(self.ask("POST", "/v3/jobs/submit", json=self.job_body(**more))["uuid"])

    def finished(self) -> str:
        uuid = self.job()
        self._wait(f"/v3/jobs/{uuid}/status", ["FINISHED"])
        return uuid

    @cached_property
    def done(self) -> str:
        """A finished job, to be looked at only."""
        return self.finished()

    def running(self) -> str:
        """A job that runs until it is cancelled, or for five minutes."""
        self._endless = True
        uuid = self.job(parameterSet={"envVariables": [{"key": "WAIT", "value": "yes"}]})
        self._wait(f"/v3/jobs/{uuid}/status", ["RUNNING"])
        return uuid

    @cached_property
    def busy(self) -> str:
        """A running job, to be looked at only."""
        return self.running()

    def subscription(self) -> str:
        """Of the job ``busy``."""
        self.ask("POST", f"/v3/jobs/subscribe/{self.busy}", json=self.subscription_body())
        return str(self.ask("GET", f"/v3/jobs/subscribe/{self.busy}")[-1]["uuid"])

    def subscription_body(self) -> dict[str, Any]:
        target = {"deliveryMethod": "WEBHOOK", "deliveryAddress": "http://127.0.0.1:9/nobody"}
        return {"eventCategoryFilter": "JOB_ERROR_MESSAGE", "deliveryTargets": [target], "ttlMinutes": 60}

    def close(self) -> None:
        """Stop what still runs; what was made with a generated request, too."""
        if self._endless:
            active = [job["uuid"] for job in self._jobs() if job["status"] not in ENDED]
            for uuid in active:
                self.session.post(f"{self.url}/v3/jobs/{uuid}/cancel", timeout=PATIENCE)
            for uuid in active:
                self._wait(f"/v3/jobs/{uuid}/status", ENDED)
        self.session.close()

    def _jobs(self) -> list[dict[str, str]]:
        jobs: list[dict[str, str]] = self.ask("GET", "/v3/jobs/list", params={"limit": -1})
        return jobs

    def _wait(self, path: str, wanted: Sequence[str]) -> None:
        until = time.monotonic() + PATIENCE
        while (seen := self.ask("GET", path))["status"] not in wanted:
            assert time.monotonic() < until, f"{path} is still {seen}"
            assert seen["status"] not in ENDED, f"{path} is {seen}"
            time.sleep(0.02)
