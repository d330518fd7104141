"""Requests made out of the official specifications, valid and not, against a real service.

Each operation is first asked properly, on objects of its own, and must answer with 2xx. Then come generated requests:
half of them with the ids of objects that exist, and with bodies that are right but for a field or two, so that they
get past the door; half of them with anything. Whatever is asked, the answer is one that the judge lets pass, and 5xx
is only ever the 501 of an operation that is declared absent.
"""

from __future__ import annotations

import re
import shlex
import shutil
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from tests.conftest import PROVE, count
from tests.service import official
from tests.service.seeds import PATIENCE, Served, World
from tests.service.valid import VALID, Asked, Request

from weft.service.web import operations

ABSENT = {(each.spec, each.operation_id) for each in operations() if each.reason}
PROGRAMS = {("files", "getFacl"): "getfacl", ("files", "setFacl"): "setfacl"}
"""What an operation cannot be answered without."""
WITHOUT = {key for key, program in PROGRAMS.items() if shutil.which(program) is None}
EACH = count(2, 16)
"""Examples of one operation with seeded ids, and as many without."""
SHELL = re.compile(r"[`$&|;<>()\r\n]")
"""What would make a command out of an argument: jobs that are generated here do run."""
HARMFUL = {"delete", "moveCopy", "runLinuxNativeOp", "setFacl"}
"""What could take away the ground that the others stand on, if it were let loose on any path."""
TOLD = 25
"""Failures that are printed."""


@pytest.fixture(params=official.SPECS)
def spec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(served: Served) -> Iterator[World]:
    made = World(served)
    yield made
    made.close()


class _Place(NamedTuple):
    url: str
    folder: Path

    def token(self, user: str) -> str:
        return f"secret of {user}"


class _Broken(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", "13")
        self.end_headers()
        self.wfile.write(b"<h1>Oops</h1>")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Served]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield _Place(f"http://127.0.0.1:{server.server_port}", tmp_path / "state")
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_operation_is_answered_as_specified(spec: str, world: World) -> None:
    trial = Trial(spec, world)
    for each in official.operations(spec):
        trial.valid(each)
    for each in official.operations(spec):
        trial.generated(each)
    wanted = {each.operation_id for each in official.operations(spec)} - _named(spec, ABSENT | WITHOUT)
    missing = sorted(wanted - world.watch.succeeded(spec))
    trial.failures += [f"{spec}.{name} never answered with 2xx" for name in missing]
    trial.failures += [
        f"{spec}.{name}: only {seen} examples" for name, seen in trial.seen.items() if seen < 2 * EACH
    ]
    if trial.failures:
        requests_sent = sum(world.watch.seen.values())
        pytest.fail(
            f"{len(trial.failures)} failures in {requests_sent} requests:\n"
            + "\n".join(trial.failures[:TOLD])
        )


def test_every_operation_has_its_valid_request(spec: str) -> None:
    known = {each.operation_id for each in official.operations(spec)}
    absent = _named(spec, ABSENT)
    assert set(VALID[spec]) - known == set()
    assert known - absent - set(VALID[spec]) == set()


@pytest.mark.parametrize(("operation", "program"), [(key[1], program) for key, program in PROGRAMS.items()])
def test_programs_that_operations_need_are_here(operation: str, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"without {program} (package acl) {operation} is only seen to refuse")


def test_a_service_that_breaks_is_noticed(broken: Served) -> None:
    trial = Trial("authenticator", World(broken))
    known = {each.operation_id: each for each in official.operations("authenticator")}
    trial.valid(known["hello"])
    trial.valid(known["get_client"])
    trial.generated(known["list_clients"])
    trial.world.close()
    assert "503 to a valid request" in "\n".join(trial.failures)
    assert "authenticator.get_client: its objects cannot be made" in "\n".join(trial.failures)
    listed = [each for each in trial.failures if each.startswith("authenticator.list_clients")]
    assert all("'text/html'" in each or "503: <h1>" in each for each in listed)
    assert all("curl -X GET" in each and "secret" not in each for each in listed)
    assert len(listed) == 4 * EACH


class Trial:
    """All requests to the operations of one specification; ``failures`` has a curl line for each that went wrong."""

    def __init__(self, spec: str, world: World) -> None:
        self.spec = spec
        self.world = world
        self.schema = schemathesis.openapi.from_dict(official.raw(spec))
        self.failures: list[str] = []
        self.makers: dict[str, Request] = {
            name: make for name, make in VALID[spec].items() if (spec, name) not in ABSENT | WITHOUT
        }
        self.seen: dict[str, int] = {}

    def valid(self, each: official.Official) -> None:
        """Send the valid request, if the operation is here."""
        if each.operation_id not in self.makers:
            return
        try:
            request = _request(self.world, each, self.makers[each.operation_id](self.world))
        except AssertionError as error:
            self.failures.append(f"{self.spec}.{each.operation_id}: its objects cannot be made: {error}")
            del self.makers[each.operation_id]
            return
        answer = self._send(each, request)
        if answer is not None and not answer.ok:
            self._failed(each, request, f"{answer.status_code} to a valid request: {answer.text[:300]}")

    def generated(self, each: official.Official) -> None:
        """Send generated requests, half of them with what exists."""
        operation = self.schema[each.path][each.method]
        modes = [GenerationMode.POSITIVE]
        if operation.query or operation.body:  # nothing else can be made wrong
            modes.append(GenerationMode.NEGATIVE)
        cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])
        self.seen[each.operation_id] = self._examples(each, cases, True) + self._examples(each, cases, False)

    def _examples(self, each: official.Official, cases: st.SearchStrategy[Case[Any]], seeded: bool) -> int:
        sent = 0

        @settings(
            max_examples=EACH,
            deadline=None,
            database=None,
            derandomize=not PROVE,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases, st.data())
        def run(case: Case[Any], data: st.DataObject) -> None:
            nonlocal sent
            sent += 1
            asked = self._seeded(each, case, data) if seeded else None
            data.draw(st.integers())  # operations without any parameter are asked more than once, too
            self._send(each, self._prepared(case, asked))

        run()
        return sent

    def _seeded(self, each: official.Official, case: Case[Any], data: st.DataObject) -> Asked | None:
        """Give the request the ids of new objects, and mend all but a few fields of its body."""
        if each.operation_id not in self.makers:
            return None
        asked = self.makers[each.operation_id](self.world)
        if isinstance(asked.body, dict) and isinstance(case.body, dict):
            kept = data.draw(st.lists(st.sampled_from(sorted(case.body)), max_size=3)) if case.body else []
            mixed = {**asked.body, **{name: case.body[name] for name in kept}}
            case.body = _tamed(mixed) if each.operation_id == "submitJob" else mixed
        elif asked.body is not None and data.draw(st.booleans()):
            case.body = asked.body
        return asked._replace(path=self._path(each, asked.path, data))

    def _path(
        self, each: official.Official, path: Mapping[str, str], data: st.DataObject
    ) -> Mapping[str, str]:
        """Of several ids one may stay what was generated; and a job that runs is looked at like one that is done."""
        if len(path) > 1 and each.operation_id not in HARMFUL and data.draw(st.booleans()):
            strange = data.draw(st.sampled_from(sorted(path)[1:]))
            return {name: value for name, value in path.items() if name != strange}
        if each.method == "GET" and "jobUuid" in path and data.draw(st.booleans()):
            return {**path, "jobUuid": self.world.busy}
        return path

    def _prepared(self, case: Case[Any], asked: Asked | None) -> requests.PreparedRequest:
        headers = {"X-Tapis-Token": self.world.session.headers["X-Tapis-Token"]}
        case.path_parameters.update(asked.path if asked else {})
        options = case.as_transport_kwargs(base_url=self.world.url, headers=headers)
        return requests.Request(**{**options, "headers": {**options["headers"], **headers}}).prepare()

    def _send(self, each: official.Official, request: requests.PreparedRequest) -> requests.Response | None:
        before = len(self.world.watch.complaints)
        try:
            answer = self.world.session.send(request, timeout=PATIENCE)
        except requests.RequestException as error:
            self._failed(each, request, f"no answer: {error}")
            return None
        for complaint in self.world.watch.complaints[before:]:
            self._failed(each, request, complaint)
        allowed = {501} if (self.spec, each.operation_id) in ABSENT else set()
        if answer.status_code >= 500 and answer.status_code not in allowed:
            self._failed(each, request, f"{answer.status_code}: {answer.text[:300]}")
        return answer

    def _failed(self, each: official.Official, request: requests.PreparedRequest, what: str) -> None:
        self.failures.append(f"{self.spec}.{each.operation_id}: {what}\n  {_curl(request)}")


def _named(spec: str, of: set[tuple[str, str]]) -> set[str]:
    return {operation_id for where, operation_id in of if where == spec}


def _request(world: World, each: official.Official, asked: Asked) -> requests.PreparedRequest:
    path = re.sub(r"\{(\w+)\}", lambda found: asked.path[found[1]], each.path)
    made = requests.Request(
        each.method,
        f"{world.url}{path}",
        params=asked.query,
        json=asked.body,
        data=asked.form,
        files={"file": ("x", asked.file)} if asked.file is not None else None,
    )
    return world.session.prepare_request(made)


def _tamed(value: Any) -> Any:
    """The same without what a shell would understand."""
    if isinstance(value, dict):
        return {key: _tamed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_tamed(each) for each in value]
    return SHELL.sub("_", value) if isinstance(value, str) else value


def _curl(request: requests.PreparedRequest) -> str:
    """The request as a command, for a shell that knows the token."""
    words = [str(request.url)]
    for name, value in request.headers.items():
        if name.lower() in ("content-type", "range", "more"):
            words += ["-H", f"{name}: {value}"]
    if request.body:
        body = request.body
        words += [
            "--data-binary",
            body.decode("utf-8", "backslashreplace") if isinstance(body, bytes) else body,
        ]
    return f'curl -X {request.method} -H "X-Tapis-Token: $TOKEN" {shlex.join(words)}'
